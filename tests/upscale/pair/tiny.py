"""A pair's network with random weights, small enough for every test."""

from __future__ import annotations

from typing import Any

import torch

from diffscaler.upscale.pair.network import PairConfig, PairUNet
from diffscaler.upscale.pair.temporal import TemporalMix, TemporalTransformer


def tiny(temporal: bool = True, seed: int = 0, **config: Any) -> PairUNet:
    """Every weight random, those that begin at zero too; temporal: False leaves the temporal branches as they begin."""
    torch.manual_seed(seed)
    network = PairUNet(PairConfig(**{"widths": (8, 16), **config})).eval().requires_grad_(False)
    untouched = {
        id(weight)
        for layer in network.modules()
        if isinstance(layer, TemporalMix | TemporalTransformer) and not temporal
        for weight in layer.parameters()
    }
    for weight in network.parameters():
        if id(weight) not in untouched and not weight.any():
            weight.normal_(0, 0.2)
    return network


def inputs(batch: int = 1, frames: int = 4, height: int = 12, width: int = 10, condition: int = 3) -> tuple[Any, ...]:
    """noisy, condition, time, level."""
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn((batch, frames, 48, height, width), generator=generator)
    told = torch.rand((batch, frames, condition, height, width), generator=generator) * 2 - 1
    return noisy, told, torch.full((batch,), 0.7), torch.full((batch,), 0.1)
