"""A running average (EMA) of the weights that train: steadier pictures than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Averages `parameters`, (name, parameter) pairs, with `decay`; its memory is short at first."""

    def __init__(self, parameters: Sequence[tuple[str, nn.Parameter]], decay: float) -> None:
        self.parameters, self.decay, self.updates = list(parameters), decay, 0
        self.values = [p.detach().clone() for _, p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of one more step."""
        self.updates += 1
        # Or the random start would stay in the average for long.
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.values, [p.detach() for _, p in self.parameters], 1 - keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the parameters are the average; afterwards they are what they were."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights with their average; the second call puts them back."""
        for value, (_, parameter) in zip(self.values, self.parameters, strict=True):
            kept = value.clone()
            value.copy_(parameter)
            parameter.copy_(kept)

    def state(self) -> dict[str, Tensor]:
        """The average by parameter name."""
        return {name: value for (name, _), value in zip(self.parameters, self.values, strict=True)}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor], updates: int) -> None:
        """Take over what `state` returned."""
        for (name, _), value in zip(self.parameters, self.values, strict=True):
            value.copy_(state[name])
        self.updates = updates
