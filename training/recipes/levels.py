"""Noise levels to train at: what a network is told about them, and how much of a clip is left there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from training.objectives import alpha_sigma, flow_alpha_sigma, flow_times


class Levels(Protocol):
    """times: (B,), what the network is told, on the CPU; -1 is the clean clip."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Times to train at, (count,)."""
        ...

    def alpha_sigma(self, times: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        """How much clip and how much noise is in there, float32 (B, 1, ..., 1)."""
        ...

    def walk(self, steps: int) -> Tensor:
        """The times that a sampler of so many steps visits, noisiest first; every second one of twice the steps is
        one of them. Raises ValueError when there are not that many."""
        ...


@dataclass(frozen=True)
class Diffused:
    """Of a schedule of T discrete levels, alphas_cumprod float64 (T,); times are indices into it, int64."""

    alphas_cumprod: Tensor

    @classmethod
    def of(cls, scheduler: Any) -> Diffused:
        """Those of a library scheduler, whose zero-terminal-SNR rescaling, where it asks for it, is in them already."""
        return cls(scheduler.alphas_cumprod.double().cpu())

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(len(self.alphas_cumprod), (count,), generator=generator)

    def alpha_sigma(self, times: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        # In float64: 1 - alpha^2 cancels at the clean end.
        alpha, sigma = alpha_sigma(self.alphas_cumprod, times, ndim)
        return alpha.float(), sigma.float()

    def walk(self, steps: int) -> Tensor:
        total = len(self.alphas_cumprod)
        if not 1 <= steps <= total:
            raise ValueError(f"{steps} steps cannot be taken of {total} levels")
        return torch.tensor([total * left // steps - 1 for left in range(steps, 0, -1)])


@dataclass(frozen=True)
class Flow:
    """Of rectified flow; times are 1000 t, float32, as `FlowMatchEulerDiscreteScheduler` counts them.

    shift: see `objectives.flow_times`
    """

    shift: float = 1.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return 1000 * flow_times(count, generator, self.shift)

    def alpha_sigma(self, times: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        return flow_alpha_sigma((times / 1000).clamp(min=0), ndim)

    def walk(self, steps: int) -> Tensor:
        if steps < 1:
            raise ValueError("a walk has at least one step")
        share = torch.arange(steps, 0, -1) / steps
        return 1000 * self.shift * share / (1 + (self.shift - 1) * share)
