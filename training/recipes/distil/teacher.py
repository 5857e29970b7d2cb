"""The teacher of a halving: weights that the student's own networks are run with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.recipes.denoising import Denoiser


class Predicting(nn.Module):
    """A denoiser's `predict` as a module's forward pass, so that it can be run with other weights."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(denoiser.modules())
        self.denoiser = denoiser

    def forward(self, *given: Tensor) -> Tensor:
        return self.denoiser.predict(*given)  # type: ignore[arg-type]


class Teacher(nn.Module):
    """A copy of a denoiser's weights, held as buffers: they are in every checkpoint and no optimizer sees them.

    halving: int64 (), whose teacher it is: 0 is the model begun with; it has guidance outside, later ones do not
    """

    halving: Tensor

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.register_buffer("halving", torch.zeros((), dtype=torch.int64))
        # Out of the list of submodules: the student's weights are no part of the teacher.
        self.student: list[Predicting] = [Predicting(denoiser)]
        self.names = [name for name, _ in self.student[0].named_parameters()]
        for index, (_, parameter) in enumerate(self.student[0].named_parameters()):
            self.register_buffer(f"weight_{index}", parameter.detach().clone())

    @torch.no_grad()
    def become(self, halving: int) -> None:
        """Take the student's weights of now."""
        for index, (_, parameter) in enumerate(self.student[0].named_parameters()):
            getattr(self, f"weight_{index}").copy_(parameter)
        self.halving.fill_(halving)

    @torch.no_grad()
    def predict(self, noisy: Tensor, times: Tensor, words: Tensor, dropped: Tensor, guidance: float) -> Tensor:
        """What it says about `noisy`, pushed away from what it says without words; guidance: 1 pushes nowhere."""
        weights: dict[str, Any] = {name: getattr(self, f"weight_{i}") for i, name in enumerate(self.names)}

        def said(left_out: Tensor) -> Tensor:
            return functional_call(self.student[0], weights, (noisy, times, words, left_out)).float()

        with_words = said(dropped)
        if guidance == 1 or int(self.halving):
            return with_words
        without = said(torch.ones_like(dropped))
        return without + guidance * (with_words - without)
