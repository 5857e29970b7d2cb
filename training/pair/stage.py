"""The stages that train the pair: on single frames first, then on clips."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet, to_cells
from diffscaler.upscale.pair.sampling import noised
from diffscaler.upscale.pair.ssr import LoadedPair, Sampler, bicubic, enlarged, from_unit
from diffscaler.upscale.pair.temporal import TemporalMix, TemporalTransformer
from training.mini.average import Average
from training.mini.muon import Muon, descend, muon_groups, scheduled_lr
from training.pair.data import Batch, PairData
from training.pair.steady import unsteadiness

#: Share of the steps out of pure noise: in few steps of sampling the first decides most.
PURE_SHARE = 0.35
#: The least time that is learnt; a sampler of 8 steps ends at 1 / 8.
LEAST_TIME = 0.1

#: How much the change of an error along the motion counts beside the error: it is what flickers.
STEADY_WEIGHT = 2.0

#: What was learnt before goes on learning more slowly beside new temporal layers.
OLD_FACTOR = 0.6
EMA_DECAY = 0.995
ADAM_NAMES = ("conv_in", "conv_out", "embed", "distance")


class PairStage:
    """v-prediction of the residual to the bicubic enlargement.

    moving: clips through the whole network, and single frames without the temporal branches in `image_share` of the
    steps, so that they stay a network of their own; else single frames alone.
    batch: clips a step; image_batch: single frames a step
    """

    def __init__(
        self,
        network: PairUNet,
        data: PairData,
        moving: bool,
        total: int,
        batch: int,
        image_batch: int,
        image_share: float,
        lr: float,
        seed: int,
    ) -> None:
        self.name, self.total = ("motion" if moving else "image"), total
        self.network, self.data, self.moving = network, data, moving
        self.clips, self.images, self.image_share = batch, image_batch, image_share
        self.lr, self.seed = lr, seed
        network.train().requires_grad_(True)
        new = temporal_names(network)
        named = list(network.named_parameters())
        groups = muon_groups(((n, p) for n, p in named if n not in new), OLD_FACTOR if moving else 1.0, ADAM_NAMES)
        if moving:
            groups += muon_groups(((n, p) for n, p in named if n in new), 1.0, ADAM_NAMES)
        self.optimizer = Muon(groups, lr=lr)
        self.average = Average({"network": network}, EMA_DECAY)

    def step(self, index: int) -> tuple[float, float]:
        rng = np.random.default_rng([self.seed, 40 + self.moving, index])
        temporal = self.moving and rng.random() >= self.image_share
        frames = self.network.config.window if temporal else 1
        batch = self.data.batch(self.clips if temporal else self.images, frames, rng)
        loss = self._loss(batch, temporal, rng)
        done = descend(self.optimizer, loss, scheduled_lr(index, self.total, self.lr))
        self.average.update()
        return done

    def _loss(self, batch: Batch, temporal: bool, rng: np.random.Generator) -> Tensor:
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        clean = residual_cells(batch, self.network.config.patch) / self.network.config.residual_scale
        time = rng.uniform(LEAST_TIME, 1, len(clean))
        time[rng.random(len(clean)) < PURE_SHARE] = 1
        times = torch.from_numpy(time).float()
        # One noise for all frames of a clip, as the sampler has it.
        z, v = noised(clean, torch.randn(clean[:, :1].shape, generator=noise).expand_as(clean), times)
        added = torch.randn(batch.low[:, :1].shape, generator=noise) * batch.level.view(-1, 1, 1, 1, 1)
        error = self.network(z, batch.low + added, times, batch.level, temporal=temporal) - v
        loss = error.square().mean()
        return loss + STEADY_WEIGHT * unsteadiness(error, batch.high, self.network.config.patch) if temporal else loss

    def save(self, folder: Path) -> None:
        save_file({k: v.contiguous() for k, v in self.network.state_dict().items()}, folder / "network.safetensors")
        self.average.save(folder)

    def load(self, folder: Path) -> None:
        self.network.load_state_dict(load_file(folder / "network.safetensors"))
        self.average.load(folder)

    def sample(self) -> np.ndarray:
        """Patches as bicubic, as drawn now in two steps, and as they were, side by side."""
        config = self.network.config
        batch = self.data.batch(4, config.window if self.moving else 1, np.random.default_rng([self.seed, 42]))
        pair = LoadedPair(self.network, torch.device("cpu"), torch.float32, self.moving)
        self.average.swap()
        rows = []
        for high, low, level in zip(batch.high, batch.low, batch.level.tolist(), strict=True):
            made = enlarged(pair, from_unit(low), Sampler(2, level, self.seed, 256))[:1] / 127.5 - 1
            rows.append(np.concatenate([from_unit(x)[0] for x in (bicubic(low[:1], config.patch), made, high[:1])], 1))
        self.average.swap()
        return np.concatenate(rows)

    def finish(self) -> None:
        """Keep the averaged weights."""
        self.average.swap()


def residual_cells(batch: Batch, scale: int) -> Tensor:
    """What bicubic leaves out, in cells: (B, F, 3 * scale^2, h, w), in pictures of -1..1."""
    base = bicubic(batch.low.flatten(0, 1), scale).unflatten(0, batch.low.shape[:2])
    return to_cells(batch.high - base, scale)


def temporal_names(network: PairUNet) -> set[str]:
    """Parameters of the temporal branches."""
    layers = ((n, m) for n, m in network.named_modules() if isinstance(m, TemporalMix | TemporalTransformer))
    return {f"{name}.{own}" for name, layer in layers for own, _ in layer.named_parameters()}


def residual_scale(batches: Iterable[Batch], scale: int) -> float:
    """The deviation of what is learnt."""
    return float(torch.cat([residual_cells(batch, scale).flatten() for batch in batches]).std())
