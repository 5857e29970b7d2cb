"""How many numbers a run trains, before it is loaded: from the headers of weight files, or on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.models.sizes import Held, tensors_in
from training.events import RunError
from training.options import RunConfig

#: Parts of tensor names that only layers over time have, in the layouts the trainer reads.
TEMPORAL = ("temporal", "motion_modules", "temp_conv", "temp_attentions")


@dataclass(frozen=True)
class Counted:
    """trained: numbers that are learnt; model_bytes: of the finished model, where none of its files can be a link;
    held_bytes: of weights that are loaded beside what is learnt, as they lie on disk"""

    trained: int
    model_bytes: int
    held_bytes: int = 0


def count(config: RunConfig) -> Counted | None:
    """None where it is not known before the networks are there. Raises RunError for a model that is not installed."""
    known = COUNTERS.get(config.recipe)
    return known(config) if known else None


def tensors_of(folder: Path) -> dict[str, Held]:
    """Every tensor of a folder's safetensors files, shards or one; broken files are passed over."""
    return {name: held for path in sorted(folder.glob("*.safetensors")) for name, held in tensors_in(path).items()}


def _folder_of(name: str) -> Path:
    from training.finetune.source import find_model  # reads the catalogue

    folder = find_model(name).path
    assert folder is not None
    return folder


def _begun_with(config: Any) -> tuple[dict[str, Held], int]:
    """(the U-Net's tensors, bytes of all weights) of the model a run goes on from."""
    folder = _folder_of(config.pretrained_model_name_or_path)
    parts = {path.name: tensors_of(path) for path in folder.iterdir() if path.is_dir()}
    return parts.get("unet", {}), sum(held.size_bytes for part in parts.values() for held in part.values())


def _temporal(config: Any) -> Counted | None:
    unet, whole = _begun_with(config)
    learnt = [held for name, held in unet.items() if _over_time(name)]
    trained = sum(held.count for held in learnt)
    return Counted(trained, whole, whole - sum(held.size_bytes for held in learnt)) if trained else None


def _motion_lora(config: Any) -> Counted | None:
    unet, whole = _begun_with(config)
    ends = tuple(f"{name}.weight" for name in ("to_q", "to_k", "to_v", "to_out.0"))
    trained = sum(
        config.rank * sum(held.shape) for name, held in unet.items() if _over_time(name) and name.endswith(ends)
    )
    return Counted(trained, 4 * trained, whole) if trained else None


def _over_time(name: str) -> bool:
    return any(part in name for part in TEMPORAL)


def _unet3d(config: Any) -> Counted | None:
    import torch

    from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
    from training.recipes.unet3d.words import WIDTH

    if config.init or config.text_encoder:
        return None
    # The encoder of the captions' words is as large as they are many, which is known once they are read.
    with torch.device("meta"):
        network = Unet3D(
            Unet3DConfig(
                dim=config.dim,
                dim_mults=config.dim_mults,
                cond_dim=WIDTH if config.use_bert_text_cond else None,
                attn_heads=config.attn_heads,
                attn_dim_head=config.attn_dim_head,
                init_kernel_size=config.init_kernel_size,
                use_sparse_linear_attn=config.use_sparse_linear_attn,
            )
        )
    trained = sum(p.numel() for n, p in network.named_parameters() if not n.endswith("rotary_emb.freqs"))
    return Counted(trained, 4 * trained)


def _dit(config: Any) -> Counted | None:
    import torch

    from training.recipes.dit.model import Parts, new_transformer, read_json

    folder = _folder_of(config.init)
    if config.transformer != "new":
        return None
    try:
        channels = int(read_json(folder / "vae" / "config.json")["z_dim"])
        width = int(read_json(folder / "text_encoder" / "config.json")["d_model"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(
            f"{folder.name} is not a whole Wan model.", "Choose a folder with vae and text_encoder."
        ) from None
    with torch.device("meta"):
        network = new_transformer(config, Parts(channels, width))
    held = sum(tensor.size_bytes for part in ("vae", "text_encoder") for tensor in tensors_of(folder / part).values())
    trained = sum(p.numel() for p in network.parameters())
    return Counted(trained, 4 * trained + held, held)


COUNTERS: dict[str, Callable[[Any], Counted | None]] = {
    "temporal": _temporal,
    "motion-lora": _motion_lora,
    "unet3d": _unet3d,
    "dit": _dit,
}
