"""The pair's network asked for the residual of a window, tile by tile and step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet, from_cells
from diffscaler.upscale.pair.sampling import denoised, noise_field

#: Added to the seed for the noise on the condition, so that it is not the noise that is drawn from.
OTHER_NOISE = 1_000_003

#: (tiles done, tiles in all) after each tile of each step; it may raise.
OnTile = Callable[[int, int], None]


@dataclass(frozen=True)
class Sampler:
    """How frames are drawn.

    steps: of the sampler; seed: of its noise; tile: cells a side that are worked on at once, even
    level: deviation of the noise that is added to what the network is shown, in pictures of -1..1; more where that is
    worse (noise-conditioning augmentation, Ho et al. 2022, "Cascaded diffusion models")
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


def residual_of(pair: LoadedPair, told: Tensor, sampler: Sampler, on_tile: OnTile) -> Tensor:
    """What the network draws on top of what is known, float32 (F, 3, patch h, patch w), in pictures of -1..1.

    told: the condition of a window, (F, condition_channels, h, w); h and w are even. Tiles and the noise do not show: a
    network's view is finite, and each tile is given all of it.
    """
    config, (tall, wide) = pair.network.config, told.shape[-2:]
    noise = noise_field(config.channels, tall, wide, sampler.seed).expand(len(told), -1, -1, -1)
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

    return from_cells(denoised(predict, noise, sampler.steps), config.patch) * config.residual_scale


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
