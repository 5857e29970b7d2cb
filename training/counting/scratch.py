"""Counts for models from scratch, and for those of them that are distilled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.counting.counted import LOWER_BYTES, Counted, by_trainer
from training.counting.files import bytes_of, config_of, folder_of, numbers_in
from training.events import RunError


def unet3d(config: Any) -> Counted:
    if config.init:
        folder = Path(config.init).expanduser()
        whole, trained = _pixels(folder)
        words = 4 * numbers_in(folder / "text_encoder")
        return by_trainer(config, trained, 4 * whole + words, words)
    import torch

    from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
    from training.recipes.unet3d.words import WIDTH

    width, words = WIDTH if config.use_bert_text_cond else None, 0
    if width and config.text_encoder:
        part = Path(config.text_encoder).expanduser() / "text_encoder"
        width, words = int(config_of(part).get("hidden_size", WIDTH)), 4 * numbers_in(part)
    # An encoder of the captions' own words is as large as they are many, which is known once they are read.
    with torch.device("meta"):
        network = Unet3D(
            Unet3DConfig(
                dim=config.dim,
                dim_mults=config.dim_mults,
                cond_dim=width,
                attn_heads=config.attn_heads,
                attn_dim_head=config.attn_dim_head,
                init_kernel_size=config.init_kernel_size,
                use_sparse_linear_attn=config.use_sparse_linear_attn,
            )
        )
    _, trained = _of_network(network)
    return by_trainer(config, trained, 4 * trained + words, words)


def dit(config: Any) -> Counted:
    folder = folder_of(config.init)
    if config.transformer == "init":
        trained = numbers_in(folder / "transformer")
        return by_trainer(config, trained, 4 * trained + bytes_of(folder, ("transformer",)), _beside(config, folder))
    import torch

    from diffscaler import compat

    compat.install()  # before the first import of diffusers
    from training.recipes.dit.model import Parts, new_transformer, read_json

    try:
        channels = int(read_json(folder / "vae" / "config.json")["z_dim"])
        width = int(read_json(folder / "text_encoder" / "config.json")["d_model"])
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(
            f"{folder.name} is not a whole Wan model.", "Choose a folder with vae and text_encoder."
        ) from None
    with torch.device("meta"):
        network = new_transformer(config, Parts(channels, width))
    trained = sum(p.numel() for p in network.parameters())
    return by_trainer(config, trained, 4 * trained + bytes_of(folder, ("transformer",)), _beside(config, folder))


def distil(config: Any) -> Counted | None:
    """A student and its teacher, which is in every checkpoint as well."""
    from training.finetune.source import find_model

    spec = find_model(config.init)
    assert spec.path is not None
    family = spec.family.name if spec.family else ""
    if family == "unet3d":
        whole, trained = _pixels(spec.path)
        beside = words = 4 * numbers_in(spec.path / "text_encoder")
        model = 4 * whole + words
    elif family == "wan":
        whole = trained = numbers_in(spec.path / "transformer")
        beside, model = _beside(config, spec.path), 4 * whole + bytes_of(spec.path, ("transformer",))
    else:
        return None
    return by_trainer(config, trained, model, beside + 4 * whole, kept_bytes=4 * whole)


def _pixels(path: Path) -> tuple[int, int]:
    """(numbers, numbers that can learn) of a network that draws pixels; its file is small enough to be read. Raises
    RunError."""
    from diffscaler.errors import DiffScalerError
    from diffscaler.text2video.unet3d.load import build_network, read_checkpoint, read_settings, weights_file

    try:
        file = weights_file(path)
        return _of_network(
            build_network(read_checkpoint(file, read_settings(file.parent / "model.toml").weights).state, file)
        )
    except DiffScalerError as error:
        raise RunError(str(error), error.hint) from error


def _of_network(network: Any) -> tuple[int, int]:
    """The angles of the rotary embedding are written in files as weights, and never learn."""
    named = list(network.named_parameters())
    trained = sum(p.numel() for name, p in named if not name.endswith("rotary_emb.freqs"))
    return sum(p.numel() for _, p in named), trained


def _beside(config: Any, folder: Path) -> int:
    """Bytes of a Wan folder's encoders as they are loaded: a VAE loses too much in half precision."""
    return 4 * numbers_in(folder / "vae") + LOWER_BYTES[config.mixed_precision] * numbers_in(folder / "text_encoder")
