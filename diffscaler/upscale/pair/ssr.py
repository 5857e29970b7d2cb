"""Spatial super-resolution by the pair: small frames in, frames `patch` times larger out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet, from_cells
from diffscaler.upscale.pair.sampling import denoised, noise_field

#: Added to the seed for the noise on the condition, so that it is not the noise that is drawn from.
OTHER_NOISE = 1_000_003


@dataclass(frozen=True)
class Sampler:
    """How frames are drawn.

    steps: of the sampler; seed: of its noise; tile: cells a side that are worked on at once, even
    level: deviation of the noise that is added to the small frames, in pictures of -1..1; more where they are worse
    (noise-conditioning augmentation, Ho et al. 2022, "Cascaded diffusion models")
    """

    steps: int
    level: float
    seed: int
    tile: int


@dataclass(frozen=True)
class LoadedPair:
    """A network on its device. temporal: False draws each frame by itself, to compare with."""

    network: PairUNet
    device: Any
    dtype: Any
    temporal: bool = True


def bicubic(small: Tensor, scale: int) -> Tensor:
    """(N, 3, h, w) -> (N, 3, scale h, scale w), as far beyond -1..1 as the filter goes."""
    return F.interpolate(small, scale_factor=scale, mode="bicubic", align_corners=False)


def to_unit(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (F, H, W, 3) -> float32 (F, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def from_unit(clip: Tensor) -> npt.NDArray[np.uint8]:
    """(F, 3, H, W) in -1..1 -> uint8 RGB (F, H, W, 3)."""
    return ((clip + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.inference_mode()
def enlarged(
    pair: LoadedPair,
    frames: npt.NDArray[np.uint8],
    sampler: Sampler,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """The frames of one window, uint8 RGB (F, h, w, 3), drawn larger: float32 (F, 3, patch h, patch w), levels 0..255.

    on_tile(done, total): after each tile of each step; it may raise. Tiles and the noise do not show: a network's view
    is finite, and each tile is given all of it.
    """
    config = pair.network.config
    height, width = frames.shape[1:3]
    small = to_unit(frames)
    # The network halves the cells: an odd side gets one more, the last repeated.
    given = F.pad(small, (0, width % 2, 0, height % 2), mode="replicate")
    tall, wide = given.shape[-2:]
    told = given + sampler.level * noise_field(3, tall, wide, sampler.seed + OTHER_NOISE)
    noise = noise_field(config.channels, tall, wide, sampler.seed).expand(len(frames), -1, -1, -1)
    corners = list(product(range(0, tall, sampler.tile), range(0, wide, sampler.tile)))
    done = 0

    def predict(z: Tensor, time: float) -> Tensor:
        nonlocal done
        v = torch.empty_like(z)
        for top, left in corners:
            own, seen, inner = around(top, left, sampler.tile, tall, wide, pair.network.reach)
            v[(..., *own)] = asked(pair, z[(..., *seen)], told[(..., *seen)], time, sampler.level)[(..., *inner)]
            done += 1
            on_tile(done, len(corners) * sampler.steps)
        return v

    residual = from_cells(denoised(predict, noise, sampler.steps), config.patch) * config.residual_scale
    residual = residual[..., : height * config.patch, : width * config.patch]
    return (bicubic(small, config.patch) + residual + 1) * 127.5


Box = tuple[slice, slice]


def around(top: int, left: int, tile: int, height: int, width: int, reach: int) -> tuple[Box, Box, Box]:
    """A tile's own cells, those it has to see, and where its own are in those. All begin at even cells."""
    rows, columns = ((at, min(at + tile, side)) for at, side in ((top, height), (left, width)))
    own = (slice(*rows), slice(*columns))
    starts = [max(0, at - reach) for at in (top, left)]
    seen = tuple(
        slice(start, min(stop + reach, side))
        for start, (_, stop), side in zip(starts, (rows, columns), (height, width), strict=True)
    )
    inner = tuple(
        slice(begin - start, stop - start) for (begin, stop), start in zip((rows, columns), starts, strict=True)
    )
    return own, (seen[0], seen[1]), (inner[0], inner[1])


def asked(pair: LoadedPair, z: Tensor, told: Tensor, time: float, level: float) -> Tensor:
    """v of the frames of a tile, float32 on the CPU; z, told: (F, C, h, w)."""

    def put(tensor: Tensor) -> Tensor:
        return tensor[None].to(pair.device, pair.dtype)

    one = torch.ones(1, device=pair.device, dtype=pair.dtype)
    return pair.network(put(z), put(told), one * time, one * level, temporal=pair.temporal)[0].float().cpu()
