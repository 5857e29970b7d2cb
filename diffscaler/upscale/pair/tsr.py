"""Temporal super-resolution by the pair: between each two frames of a shot one more.

The network is told the frames that are known, a mask of which those are, and what optical flow makes of the moments
between (diffscaler/upscale/flow.py). It draws what that guess leaves out, for all moments of a window at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.media import Frames
from diffscaler.upscale.flow import motion_of, sides_at
from diffscaler.upscale.pair.network import to_cells
from diffscaler.upscale.pair.sampling import noise_field
from diffscaler.upscale.pair.ssr import from_unit, to_unit
from diffscaler.upscale.pair.tiles import OTHER_NOISE, LoadedPair, OnTile, Sampler, residual_of

#: Of colours: where the guess is, and how its two sides differ.
PICTURES = 2


def condition_channels(patch: int) -> int:
    """Guess and difference, what the later side counts, the mask."""
    return (3 * PICTURES + 1) * patch**2 + 1


@dataclass(frozen=True)
class Guess:
    """A window of which every second frame is known: known ones at even places, from the first to the last.

    known: whether the first frame is one of them; it is not in a window of one moment by itself
    base: float32 (F, 3, H, W) in -1..1: known frames, and the flow's pictures between them
    gap: (F, 3, H, W), how much of its two sides the later one differs from the earlier one; 0 where known
    share: (F, 1, H, W) in 0..1, what the later side counts; 0 where known
    """

    base: Tensor
    gap: Tensor
    share: Tensor
    known: bool = True

    def told(self, patch: int, added: Tensor | float = 0.0) -> Tensor:
        """The condition of the network, (F, condition_channels(patch), H / patch, W / patch). added: noise on `base`"""
        frames, height, width = len(self.base), self.base.shape[-2] // patch, self.base.shape[-1] // patch
        known = (torch.arange(frames) % 2 != self.known).float().view(-1, 1, 1, 1).expand(-1, 1, height, width)
        parts = [to_cells(part, patch) for part in (self.base + added, self.gap, self.share)]
        return torch.cat([*parts, known], dim=1)


def guess_of(frames: Frames) -> Guess:
    """The guess about 2 n - 1 frames from n of one shot, uint8 RGB (n, H, W, 3)."""
    height, width = frames.shape[1:3]
    base = torch.empty((2 * len(frames) - 1, 3, height, width))
    gap, share = torch.zeros_like(base), torch.zeros_like(base[:, :1])
    base[::2] = to_unit(frames)
    for index, (a, b) in enumerate(pairwise(frames)):
        sides = sides_at(a, b, motion_of(a, b), 0.5)
        at = 2 * index + 1
        base[at] = unit(sides.blended())
        gap[at] = unit(sides.from_b) - unit(sides.from_a)
        share[at] = torch.from_numpy(sides.share)
    return Guess(base, gap, share)


def unit(picture: npt.NDArray[np.float32]) -> Tensor:
    """(H, W, 3) in levels of 255 -> (3, H, W) in -1..1."""
    return torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1


@torch.inference_mode()
def between_all(
    pair: LoadedPair, frames: Frames, sampler: Sampler, on_tile: OnTile = lambda done, total: None
) -> Frames:
    """The n - 1 frames between n of one shot, uint8 RGB (n - 1, H, W, 3). Frames that are equal give themselves.

    frames: at most (window + 1) / 2 of them
    """
    if len(frames) < 2:
        return frames[:0]
    config, (height, width) = pair.network.config, frames.shape[1:3]
    guess = guess_of(frames)
    side = 2 * config.patch  # the network halves the cells
    by = (0, -width % side, 0, -height % side)
    padded = Guess(*(F.pad(part, by, mode="replicate") for part in (guess.base, guess.gap, guess.share)))
    tall, wide = padded.base.shape[-2:]
    noise = sampler.level * noise_field(3, tall, wide, sampler.seed + OTHER_NOISE)
    residual = residual_of(pair, padded.told(config.patch, noise), sampler, on_tile)[..., :height, :width]
    made = from_unit((guess.base + residual)[1::2])
    for index, (a, b) in enumerate(pairwise(frames)):
        if np.array_equal(a, b):
            made[index] = a
    return made
