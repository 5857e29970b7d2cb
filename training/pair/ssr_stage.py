"""Trains the pair's super-resolution network: the residual to the bicubic enlargement."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet, to_cells
from diffscaler.upscale.pair.sampling import noised
from diffscaler.upscale.pair.ssr import bicubic, enlarged, from_unit
from diffscaler.upscale.pair.tiles import LoadedPair, Sampler
from training.pair.data import Batch, PairData
from training.pair.stage import PairStage, StageSettings, times
from training.pair.steady import unsteadiness

#: How much the change of an error along the motion counts beside the error: it is what flickers.
STEADY_WEIGHT = 2.0


class SsrStage(PairStage):
    """Larger frames."""

    def __init__(self, network: PairUNet, data: PairData, settings: StageSettings) -> None:
        super().__init__(network, settings)
        self.data = data

    def loss(self, temporal: bool, rng: np.random.Generator) -> Tensor:
        config, settings = self.network.config, self.settings
        count = settings.clips if temporal else settings.images
        batch = self.data.batch(count, config.window if temporal else 1, rng)
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        clean = residual_cells(batch, config.patch) / config.residual_scale
        time = times(len(clean), rng)
        # One noise for all frames of a clip, as the sampler has it.
        z, v = noised(clean, torch.randn(clean[:, :1].shape, generator=noise).expand_as(clean), time)
        added = torch.randn(batch.low[:, :1].shape, generator=noise) * batch.level.view(-1, 1, 1, 1, 1)
        error = self.network(z, batch.low + added, time, batch.level, temporal=temporal) - v
        loss = error.square().mean()
        return loss + STEADY_WEIGHT * unsteadiness(error, batch.high, config.patch) if temporal else loss

    def sample(self) -> np.ndarray:
        """Patches as bicubic, as drawn now in two steps, and as they were, side by side."""
        config = self.network.config
        rng = np.random.default_rng([self.settings.seed, 42])
        batch = self.data.batch(4, config.window if self.moving else 1, rng)
        pair = LoadedPair(self.network, torch.device("cpu"), torch.float32, self.moving)
        self.average.swap()
        rows = []
        for high, low, level in zip(batch.high, batch.low, batch.level.tolist(), strict=True):
            made = enlarged(pair, from_unit(low), Sampler(2, level, self.settings.seed, 256))[:1] / 127.5 - 1
            rows.append(np.concatenate([from_unit(x)[0] for x in (bicubic(low[:1], config.patch), made, high[:1])], 1))
        self.average.swap()
        return np.concatenate(rows)


def residual_cells(batch: Batch, scale: int) -> Tensor:
    """What bicubic leaves out, in cells: (B, F, 3 * scale^2, h, w), in pictures of -1..1."""
    base = bicubic(batch.low.flatten(0, 1), scale).unflatten(0, batch.low.shape[:2])
    return to_cells(batch.high - base, scale)


def residual_scale(batches: Iterable[Batch], scale: int) -> float:
    """The deviation of what is learnt."""
    return float(torch.cat([residual_cells(batch, scale).flatten() for batch in batches]).std())
