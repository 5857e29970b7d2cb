"""What the stages have in common that train the pair: on single frames first, then on clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffscaler.upscale.pair.network import PairUNet
from diffscaler.upscale.pair.temporal import TemporalMix, TemporalTransformer
from training.config import TrainingConfig
from training.mini.average import Average
from training.mini.muon import Muon, descend, muon_groups, scheduled_lr

#: Share of the steps out of pure noise: in few steps of sampling the first decides most.
PURE_SHARE = 0.35
#: The least time that is learnt; a sampler of 8 steps ends at 1 / 8.
LEAST_TIME = 0.1

#: What was learnt before goes on learning more slowly beside new temporal layers.
OLD_FACTOR = 0.6
EMA_DECAY = 0.995
ADAM_NAMES = ("conv_in", "conv_out", "embed", "distance")


@dataclass(frozen=True)
class StageSettings:
    """moving: clips through the whole network, and single frames without the temporal branches in `image_share` of the
    steps, so that they stay a network of their own; else single frames alone
    clips: a step; images: single frames a step
    """

    moving: bool
    total: int
    clips: int
    images: int
    image_share: float
    lr: float
    seed: int

    @classmethod
    def of(cls, config: TrainingConfig, moving: bool) -> StageSettings:
        steps = config.motion_steps if moving else config.image_steps
        return cls(
            moving, steps, config.motion_batch, config.image_batch, config.image_share, config.learning_rate,
            config.seed,
        )  # fmt: skip


class PairStage(ABC):
    """v-prediction of what is left out."""

    def __init__(self, network: PairUNet, settings: StageSettings) -> None:
        self.name, self.total = ("motion" if settings.moving else "image"), settings.total
        self.network, self.settings, self.moving = network, settings, settings.moving
        network.train().requires_grad_(True)
        new = temporal_names(network)
        named = list(network.named_parameters())
        factor = OLD_FACTOR if self.moving else 1.0
        groups = muon_groups(((n, p) for n, p in named if n not in new), factor, ADAM_NAMES)
        if self.moving:
            groups += muon_groups(((n, p) for n, p in named if n in new), 1.0, ADAM_NAMES)
        self.optimizer = Muon(groups, lr=settings.lr)
        self.average = Average({"network": network}, EMA_DECAY)

    @abstractmethod
    def loss(self, temporal: bool, rng: np.random.Generator) -> Tensor:
        """Of a batch of clips (temporal) or of single frames."""

    @abstractmethod
    def sample(self) -> np.ndarray:
        """What it makes now, beside what is given and what is true: uint8 RGB (H, W, 3)."""

    def step(self, index: int) -> tuple[float, float]:
        rng = np.random.default_rng([self.settings.seed, 40 + self.moving, index])
        temporal = self.moving and rng.random() >= self.settings.image_share
        done = descend(
            self.optimizer, self.loss(temporal, rng), scheduled_lr(index, self.total, self.settings.lr)
        )  # fmt: skip
        self.average.update()
        return done

    def save(self, folder: Path) -> None:
        save_file({k: v.contiguous() for k, v in self.network.state_dict().items()}, folder / "network.safetensors")
        self.average.save(folder)

    def load(self, folder: Path) -> None:
        self.network.load_state_dict(load_file(folder / "network.safetensors"))
        self.average.load(folder)

    def finish(self) -> None:
        """Keep the averaged weights."""
        self.average.swap()


def times(count: int, rng: np.random.Generator, pure_share: float = PURE_SHARE) -> Tensor:
    """Times (count,) to learn at: a share of pure noise, the rest evenly from the least on."""
    drawn = rng.uniform(LEAST_TIME, 1, count)
    drawn[rng.random(count) < pure_share] = 1
    return torch.from_numpy(drawn).float()


def temporal_names(network: PairUNet) -> set[str]:
    """Parameters of the temporal branches."""
    layers = ((n, m) for n, m in network.named_modules() if isinstance(m, TemporalMix | TemporalTransformer))
    return {f"{name}.{own}" for name, layer in layers for own, _ in layer.named_parameters()}
