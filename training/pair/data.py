"""What the pair learns from: parts of clips, small as they may come and large as they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.upscale.pair.ssr import from_unit, to_unit
from training.clips import ClipSet
from training.events import Preparing

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

#: Side of a training patch of the small picture, in pixels.
CROP = 48

#: Shares of patches that went through the VAE of the text-to-video model, and that were blurred and have grain; the
#: rest is only made smaller.
VAE_SHARE, WORN_SHARE = 0.25, 0.2

#: The noise added to what is not clean, and to a part of what is: deviation in pictures of -1..1.
LEVELS, AUGMENTED_SHARE = (0.02, 0.12), 0.3


@dataclass(frozen=True)
class Batch:
    """high: (B, F, 3, H, W) in -1..1; low: (B, F, 3, H / scale, W / scale) without the added noise; level: (B,)."""

    high: Tensor
    low: Tensor
    level: Tensor


class PairData:
    """high: uint8 RGB (N, F, H, W, 3); drawn: uint8 (N, F, H / scale, W / scale, 3), the same as the VAE gives it back,
    None when there is no VAE."""

    def __init__(self, high: np.ndarray, drawn: np.ndarray | None, scale: int) -> None:
        self.high, self.drawn, self.scale = high, drawn, scale
        self.crop = min(CROP, *(side // scale // 2 * 2 for side in high.shape[2:4]))

    def batch(self, count: int, frames: int, rng: np.random.Generator) -> Batch:
        """Parts of `count` clips, `frames` frames each; turned, mirrored and played backwards at random."""
        parts = [self._part(frames, rng) for _ in range(count)]
        return Batch(
            torch.stack([part[0] for part in parts]),
            torch.stack([part[1] for part in parts]),
            torch.tensor([part[2] for part in parts], dtype=torch.float32),
        )

    def _part(self, frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
        clip = int(rng.integers(len(self.high)))
        start = int(rng.integers(self.high.shape[1] - frames + 1))
        shown = self.high[clip, start : start + frames]
        # Of two places the one with more to see, half of the time: large parts of drawn scenes are plain.
        places = [self._place(shown.shape[1:3], rng) for _ in range(2 if rng.random() < 0.5 else 1)]
        top, left = max(places, key=lambda at: float(self._cut(shown[:1], *at, self.scale).std()))
        high, kind = to_unit(self._cut(shown, top, left, self.scale)), rng.random()
        worn = kind < VAE_SHARE + WORN_SHARE
        level = float(rng.uniform(*LEVELS)) if worn or rng.random() < AUGMENTED_SHARE else 0.0
        if kind < VAE_SHARE and self.drawn is not None:
            low = to_unit(self._cut(self.drawn[clip, start : start + frames], top, left, 1))
        else:
            low = smaller(high, self.scale, worn, rng)
        way = rng.random(4) < 0.5
        return turned(high, way), turned(low, way), level

    def _place(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
        """The upper left corner of a patch, in pixels of the small picture."""
        top, left = (int(rng.integers(side // self.scale - self.crop + 1)) for side in size)
        return top, left

    def _cut(self, frames: np.ndarray, top: int, left: int, scale: int) -> np.ndarray:
        side = self.crop * scale
        return frames[:, top * scale : top * scale + side, left * scale : left * scale + side]


def smaller(high: Tensor, scale: int, worn: bool, rng: np.random.Generator) -> Tensor:
    """(F, 3, H, W) in -1..1 made smaller, by area or by bicubic, in whole levels of 255; worn: blurred, with grain."""
    if worn:
        high = blurred(high, rng.uniform(0.3, 0.9) * scale)
    if rng.random() < 0.5:
        low = F.avg_pool2d(high, scale)
    else:
        low = F.interpolate(high, scale_factor=1 / scale, mode="bicubic", antialias=True, align_corners=False)
    if worn:
        grain = torch.Generator().manual_seed(int(rng.integers(2**31)))
        low = low + rng.uniform(0, 0.05) * torch.randn(low.shape, generator=grain)
    return ((low.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, 3, H, W); sigma in pixels."""
    radius = int(3 * sigma) + 1
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    line = (line / line.sum()).expand(3, 1, 1, -1)
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, line, groups=3), line.mT, groups=3)


def turned(clip: Tensor, way: np.ndarray) -> Tensor:
    """(F, 3, H, W) mirrored in x, in y, transposed, played backwards, each if `way` (4 booleans) says so."""
    axes = [axis for axis, flip in zip((3, 2, 0), way[[0, 1, 3]], strict=True) if flip]
    clip = clip.flip(axes) if axes else clip
    return clip.transpose(2, 3) if way[2] else clip


@torch.no_grad()
def drawn_by(vae: AutoencoderKL, clips: ClipSet, scale: int, path: Path, preparing: Preparing) -> np.ndarray:
    """Each frame made smaller and sent through a VAE, uint8 (N, F, H / scale, W / scale, 3); kept at `path`."""
    if not path.exists():
        made = []
        for i, clip in enumerate(clips.frames):
            low = F.avg_pool2d(to_unit(clip), scale)
            made.append(from_unit(torch.cat([vae.decode(vae.encode(f).latent_dist.mean).sample for f in low.split(1)])))
            preparing(i + 1)
        part = path.with_suffix(".part.npy")
        np.save(part, np.stack(made))
        part.replace(path)
    return np.load(path)
