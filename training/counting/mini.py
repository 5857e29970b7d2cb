"""Counts for the built-in model: a VAE, words, and a U-Net that is given temporal layers on its way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.counting.built_in import Shapes, drawn_bytes, in_memory, shapes_in, shapes_of, size, state_of
from training.counting.counted import Counted
from training.counting.files import config_of, pixels_of_a_latent


@dataclass(frozen=True)
class Parts:
    """still: the U-Net a run begins with; moving: the same with temporal layers; cell: pixels a latent stands for, each
    way"""

    vae: Shapes
    words: Shapes
    still: Shapes
    moving: Shapes
    cell: int


class _NoWords:
    """A tokenizer that has learnt nothing yet: 256 symbols, inside words and at their ends, and two marks. How many
    words come on top is known once the captions are read."""

    bos_token_id, eos_token_id, pad_token_id = 512, 513, 513

    def __len__(self) -> int:
        return 514


def mini(config: TrainingConfig) -> Counted:
    """The stage that takes most decides on memory and checkpoint."""
    parts = parts_of(config)
    unet = parts.moving if config.motion_steps else parts.still
    loaded = size(parts.vae) + size(parts.words)
    decoder = {name: shape for name, shape in parts.vae.items() if name.startswith("decoder.")}
    rows: list[tuple[int, int, int]] = []  # numbers learnt, bytes in memory, bytes of a checkpoint

    def stage(steps: int, present: Shapes, learnt: int, state: int, average: int, teacher: int = 0) -> None:
        if steps:
            weights = loaded + size(present)
            kept = 4 * (weights + state + average + teacher)
            rows.append((learnt, in_memory(weights, learnt, state, average, teacher), kept))

    def denoise(steps: int, present: Shapes, distils: bool = False) -> None:
        words, network = size(parts.words), size(present)
        stage(
            steps,
            present,
            network + (0 if distils else words),
            # AdamW alone takes the words, with two numbers for each.
            state_of(present) + (0 if distils else 2 * words),
            network + words,
            network if distils else 0,
        )

    stage(config.vae_steps, parts.still, size(parts.vae), state_of(parts.vae), 0)
    denoise(config.image_steps, parts.still)
    denoise(config.motion_steps, parts.moving)
    stage(config.decoder_steps, unet, size(decoder), state_of(decoder), 0)
    denoise(config.distil_steps, unet, distils=True)
    learns = size(parts.vae) if config.vae_steps else size(decoder) if config.decoder_steps else 0
    if config.image_steps or config.motion_steps:
        learns += size(parts.words)
    if config.image_steps or config.motion_steps or config.distil_steps:
        learns += size(unet)
    data = drawn_bytes(config)
    if data and (config.image_steps or config.motion_steps or config.distil_steps):
        data += config.num_scenes * config.num_frames * 4 * (config.size // parts.cell) ** 2 * 2
    return Counted(
        learns,
        max((row[1] for row in rows), default=4 * (loaded + size(unet))),
        max((row[2] for row in rows), default=0),
        2 * (loaded + size(parts.moving)),
        data,
    )


def parts_of(config: TrainingConfig) -> Parts:
    """Raises RunError for a model to begin with that is not whole."""
    if config.init:
        folder = Path(config.init)
        vae, words, unet = (shapes_in(folder / name) for name in ("vae", "text_encoder", "unet"))
        about = config_of(folder / "unet")
        cell = pixels_of_a_latent(folder / "vae", levels=4)
        moving = unet if about.get("_class_name") == "UNetMotionModel" else _moving(about)
        return Parts(vae, words, unet, moving, cell)
    import torch

    from diffscaler import compat

    compat.install()  # before the first import of diffusers
    from training.mini.text import build_text_encoder
    from training.mini.unet import build_unet
    from training.mini.vae import build_vae

    cell = 2 ** (len(config.vae_widths) - 1)
    with torch.device("meta"):
        words = shapes_of(build_text_encoder(_NoWords(), config.text_width))  # type: ignore[arg-type]
        unet = build_unet(config.unet_widths, config.text_width, config.size // cell)
        vae = shapes_in(Path(config.vae_from) / "vae") if config.vae_from else shapes_of(
            build_vae(config.vae_widths, config.size)
        )  # fmt: skip
    return Parts(vae, words, shapes_of(unet), _moving(dict(unet.config)), cell)


def _moving(about: dict[str, Any]) -> Shapes:
    """An image U-Net of a configuration with the temporal layers that the motion stage gives it."""
    import torch

    from diffscaler import compat

    compat.install()
    from diffusers import UNet2DConditionModel

    from training.mini.unet import add_motion

    with torch.device("meta"):
        return shapes_of(add_motion(UNet2DConditionModel.from_config(about)))
