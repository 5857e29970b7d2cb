"""Opens a VAE for the recipe, and writes what has become of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diffscaler.errors import DiffScalerError
from diffscaler.text2video.folder import said_what_is_wrong
from training.events import RunError
from training.recipes.model_card import title_of, without_paths
from training.recipes.temporal_decoder.network import HINT, folded, temporal_decoder


def open_vae(folder: Path) -> tuple[Any, nn.Module | None]:
    """(`AutoencoderKLTemporalDecoder` in float32 on the CPU, what goes before its decoder) of a VAE's folder or of a
    model's; one of images is given temporal layers that do nothing yet. Raises RunError."""
    import diffusers

    part = folder / "vae" if (folder / "vae" / "config.json").is_file() else folder
    try:
        kind = json.loads((part / "config.json").read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{folder.name} is no VAE, and no model with one.", HINT) from None
    if kind not in ("AutoencoderKL", "AutoencoderKLTemporalDecoder"):
        raise RunError(f"The VAE of {folder.name} is a {str(kind)[:60]}, which decodes no images.", HINT)
    try:
        with said_what_is_wrong(folder):
            vae = getattr(diffusers, kind).from_pretrained(
                str(part), local_files_only=True, use_safetensors=True, torch_dtype=torch.float32
            )
    except DiffScalerError as error:
        raise RunError(str(error), error.hint) from error
    vae.eval()
    return temporal_decoder(vae) if kind == "AutoencoderKL" else (vae, None)


def check_into(folder: Path, vae: Any) -> None:
    """Raises RunError when a model cannot get this VAE: it is of another kind, or its latents are."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        there = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{folder.name} is no model's folder.", "Choose a Stable Video Diffusion folder.") from None
    if index.get("vae") != ["diffusers", "AutoencoderKLTemporalDecoder"]:
        raise RunError(
            f"{folder.name} has no decoder that looks along time.", "Choose a Stable Video Diffusion folder."
        )
    factors = [2 ** (len(config["block_out_channels"]) - 1) for config in (there, vae.config)]
    if there.get("latent_channels") != vae.config.latent_channels or factors[0] != factors[1]:
        raise RunError(f"The latents of {folder.name} are of another shape than this VAE's.", "Choose its own VAE.")


def write_vae(folder: Path, vae: Any, before: nn.Module | None, into: Path | None, output_dir: str) -> None:
    """Write the VAE into an empty folder, alone, or in its place in the model `into`."""
    import copy

    made = folded(copy.deepcopy(vae), before) if before is not None else vae
    if into is None:
        made.save_pretrained(str(folder))
        return
    from training.finetune.export import take_over

    take_over(into, folder, ("vae",))
    made.save_pretrained(str(folder / "vae"))
    without_paths(folder)
    if (into / "model.toml").is_file():
        shutil.copyfile(into / "model.toml", folder / "model.toml")
    card = folder / "model.toml"
    rows = card.read_text(encoding="utf-8").splitlines() if card.exists() else []
    title = f"title = {json.dumps(title_of(output_dir), ensure_ascii=False)}"
    kept = [row for row in rows if not row.startswith("title ")]
    card.write_text("\n".join([title, *kept]) + "\n", encoding="utf-8")
