"""What the fine-tuning tests share: a tiny model whose VAE encodes something, and clips of a square that moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE, FRAMES = 32, 8


def write_clip(folder: Path, caption: str = "a red square moves to the right", shift: int = 2, colour=(230, 60, 40)):
    """A clip as a folder of pictures with a prompt.txt."""
    folder.mkdir(parents=True)
    for i, frame in enumerate(square(shift, colour)):
        Image.fromarray(frame).save(folder / f"frame_{i}.png")
    (folder / "prompt.txt").write_text(caption)
    return folder


def square(shift: int = 2, colour=(230, 60, 40), frames: int = FRAMES) -> np.ndarray:
    """uint8 RGB (F, 32, 32, 3): a square on blue that moves `shift` pixels a frame."""
    clip = np.empty((frames, SIZE, SIZE, 3), np.uint8)
    clip[:] = (40, 90, 160)
    for i in range(frames):
        clip[i, 8:20, 1 + shift * i : 12 + shift * i] = colour
    return clip


def certain_vae(folder: Path) -> Path:
    """Make the VAE of a model's folder sure of what it sees, and its latents of unit size: random ones see noise."""
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(folder / "vae")
    half = vae.config.latent_channels
    with torch.no_grad():
        vae.quant_conv.weight[half:], vae.quant_conv.bias[half:] = 0.0, -12.0
        picture = torch.from_numpy(square()).permute(0, 3, 1, 2).float() / 127.5 - 1
        deviation = vae.encode(picture).latent_dist.mean.std()
    vae.register_to_config(scaling_factor=float(1 / deviation))
    vae.save_pretrained(folder / "vae")
    return folder
