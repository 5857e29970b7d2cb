"""Trains the pair's frame-rate network: the residual to what optical flow makes of the moments between."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet, to_cells
from diffscaler.upscale.pair.sampling import noised
from diffscaler.upscale.pair.ssr import from_unit
from diffscaler.upscale.pair.tiles import LoadedPair, Sampler, residual_of
from training.pair.stage import PairStage, StageSettings, times
from training.pair.tsr_data import TsrData, Window

#: The network is run with one step, out of pure noise, unless told otherwise; this share of the training is that step.
PURE_SHARE = 0.8

#: Mean square of a residual, in units, below which a window counts less and less.
LITTLE = 0.05


class TsrStage(PairStage):
    """More frames. Known frames are in the windows, and what is said about them does not count."""

    def __init__(self, network: PairUNet, data: TsrData, settings: StageSettings) -> None:
        super().__init__(network, settings)
        self.data = data

    def loss(self, temporal: bool, rng: np.random.Generator) -> Tensor:
        config, settings = self.network.config, self.settings
        count = settings.clips if temporal else settings.images
        windows = [self.data.window(config.window, rng) if temporal else self.data.moment(rng) for _ in range(count)]
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        clean = torch.stack([residual(window, config.patch) for window in windows]) / config.residual_scale
        time = times(count, rng, PURE_SHARE)
        z, v = noised(clean, torch.randn(clean[:, :1].shape, generator=noise).expand_as(clean), time)
        told = torch.stack([
            window.guess.told(config.patch, torch.randn(window.truth[:1].shape, generator=noise) * window.level)
            for window in windows
        ])  # fmt: skip
        level = torch.tensor([window.level for window in windows], dtype=torch.float32)
        error = self.network(z, told, time, level, temporal=temporal) - v
        if temporal:
            error, clean = error[:, 1::2], clean[:, 1::2]
        # Each window counts by how much of its own residual is left, or the few with wild motion would drown the rest.
        return (error.square().mean((1, 2, 3, 4)) / (clean.square().mean((1, 2, 3, 4)) + LITTLE)).mean()

    def sample(self) -> np.ndarray:
        """Patches as the flow makes them, as drawn now in one step, and as they were, side by side."""
        rng = np.random.default_rng([self.settings.seed, 42])
        pair = LoadedPair(self.network, torch.device("cpu"), torch.float32, self.moving)
        config = self.network.config
        self.average.swap()
        rows = []
        for _ in range(4):
            window = self.data.window(config.window, rng)
            told = window.guess.told(config.patch)
            made = window.guess.base + residual_of(
                pair, told, Sampler(1, 0.0, self.settings.seed, 256), lambda *_: None
            )
            rows.append(np.concatenate([from_unit(x[1:2])[0] for x in (window.guess.base, made, window.truth)], axis=1))
        self.average.swap()
        return np.concatenate(rows)


def residual(window: Window, patch: int) -> Tensor:
    """What the guess leaves out, in cells: (F, 3 * patch^2, h, w), in pictures of -1..1; 0 where known."""
    return to_cells(window.truth - window.guess.base, patch)


def residual_scale(data: TsrData, count: int, patch: int, rng: np.random.Generator) -> float:
    """The deviation of what is learnt, of `count` moments."""
    return float(torch.cat([residual(data.moment(rng), patch).flatten() for _ in range(count)]).std())
