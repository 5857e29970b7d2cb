"""Counts for the recipes that go on from a model with a U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffscaler.models.sizes import Held
from training.counting.counted import LOWER_BYTES, Counted, by_trainer
from training.counting.files import bytes_of, config_of, folder_of, numbers, numbers_in, pixels_of_a_latent, tensors_of

#: Parts of tensor names that only layers over time have, in the layouts the trainer reads.
TEMPORAL = ("temporal", "motion_modules", "temp_conv", "temp_attentions")
#: What files hold among them that is no weight: positions in time.
POSITIONS = (".pe", ".positional_encoding")
ENCODERS = ("text_encoder", "text_encoder_2")


def temporal(config: Any) -> Counted | None:
    folder = folder_of(config.pretrained_model_name_or_path)
    unet = _unet_of(folder)
    positions = numbers(held for name, held in unet.items() if _is_position(name))
    trained = numbers(held for name, held in unet.items() if _over_time(name) and not _is_position(name))
    if not trained:
        return None
    return _tuned(config, folder, trained, numbers(unet.values()), bytes_of(folder), kept_bytes=4 * positions)


def motion_lora(config: Any) -> Counted | None:
    folder = folder_of(config.pretrained_model_name_or_path)
    unet = _unet_of(folder)
    ends = tuple(f"{name}.weight" for name in ("to_q", "to_k", "to_v", "to_out.0"))
    trained = sum(
        config.rank * sum(held.shape) for name, held in unet.items() if _over_time(name) and name.endswith(ends)
    )
    if not trained:
        return None
    positions = LOWER_BYTES[config.mixed_precision] * numbers(h for name, h in unet.items() if _is_position(name))
    # What it is laid over stays whole beside it.
    return _tuned(config, folder, trained, numbers(unet.values()) + trained, 4 * trained, kept_bytes=positions)


def one_shot(config: Any) -> Counted | None:
    """The queries of both attentions, and the temporal tails that each block is given (Wu et al. 2023)."""
    folder = folder_of(config.pretrained_model_name_or_path)
    unet = _unet_of(folder)
    queries = numbers(held for name, held in unet.items() if ".attn1.to_q." in name or ".attn2.to_q." in name)
    shapes = [held.shape for name, held in unet.items() if name.endswith(".attn1.to_q.weight")]
    # Of each block: four projections, the last with a bias; and a norm before them, which stays as it is.
    tails = sum(4 * inner * width + width for inner, width in shapes)
    norms = sum(2 * width for _, width in shapes)
    trained = queries + tails if shapes else 0
    if not trained:
        return None
    vae = config_of(folder / "vae")
    factor = pixels_of_a_latent(folder / "vae", levels=1)
    clip = 4 * int(vae.get("latent_channels", 4)) * config.num_frames * max(1, config.resolution // factor) ** 2
    model = bytes_of(folder) + LOWER_BYTES[config.mixed_precision] * trained + clip
    return _tuned(config, folder, trained, numbers(unet.values()) + tails + norms, model, kept_bytes=clip)


def inflate(config: Any) -> Counted | None:
    import torch

    from diffscaler import compat

    compat.install()  # before the first import of diffusers
    from diffusers import UNet2DConditionModel

    from training.recipes.inflate.network import inflated
    from training.recipes.inflate.task import PARTS

    folder = folder_of(config.pretrained_model_name_or_path)
    with torch.device("meta"):
        unet = inflated(UNet2DConditionModel.from_config(config_of(folder / "unet")))
    trained = sum(p.numel() for p in unet.parameters() if p.requires_grad)
    whole = sum(p.numel() for p in unet.parameters())
    others = tuple(path.name for path in folder.iterdir() if path.is_dir() and path.name not in PARTS)
    model = 4 * whole + bytes_of(folder, ("unet", *others))
    # All of the U-Net is in 32 bits here, also what does not train.
    return _tuned(config, folder, trained, whole, model, unet_bytes=4)


def _tuned(
    config: Any, folder: Path, trained: int, whole: int, model_bytes: int, kept_bytes: int = 0, unet_bytes: int = 0
) -> Counted:
    """whole: numbers of the U-Net as it trains; unet_bytes: of each that does not learn, 0: as the run's format says"""
    lower = LOWER_BYTES[config.mixed_precision]
    words = lower * numbers_in(*(folder / name for name in ENCODERS))
    vae = (2 if config.vae_b16 else 4) * numbers_in(folder / "vae")
    held = (unet_bytes or lower) * (whole - trained) + vae + words
    # Captions that are kept encoded are read no more.
    return by_trainer(config, trained, model_bytes, held, words if config.use_cache else 0, kept_bytes)


def _unet_of(folder: Path) -> dict[str, Held]:
    """The tensors of a model's U-Net, and of a motion adapter that lies beside it."""
    return tensors_of(folder / "unet") | {
        f"motion_adapter.{name}": held for name, held in tensors_of(folder / "motion_adapter").items()
    }


def _over_time(name: str) -> bool:
    return any(part in name for part in TEMPORAL)


def _is_position(name: str) -> bool:
    return name.endswith(POSITIONS)
