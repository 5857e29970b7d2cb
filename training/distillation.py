"""One halving of progressive distillation: a step of a student learns two steps of its teacher.

Salimans and Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models", algorithm 2. Everything is said
with alpha and sigma (objectives.py), so it holds for diffusion, where a step is DDIM's, and for flow, where it is
Euler's: both carry the clean clip and the noise that a prediction means to another level.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.objectives import Prediction, add_noise, clean_and_noise

#: (alpha, sigma) of a level, each broadcasting against clips.
At = tuple[Tensor, Tensor]


def step(noisy: Tensor, predicted: Tensor, kind: Prediction, now: At, to: At) -> Tensor:
    """The clip at the level `to`, from the one at `now` and what a network predicts of it.

    Song et al. 2021, eq. 12 without fresh noise.
    """
    clean, noise = clean_and_noise(predicted, noisy, *now, kind)
    return add_noise(clean, noise, *to)


def target(
    noisy: Tensor,
    first: Callable[[Tensor], Tensor],
    second: Callable[[Tensor], Tensor],
    kind: Prediction,
    now: At,
    middle: At,
    end: At,
) -> Tensor:
    """The clean clip a student must predict at `now`, so that its one step to `end` lands where the teacher's two do.

    x = (z'' - (sigma'' / sigma) z) / (alpha'' - (sigma'' / sigma) alpha), z'' after the teacher's second step
    first, second: the teacher's predictions for a clip at `now` and at `middle`
    """
    half = step(noisy, first(noisy), kind, now, middle)
    landed = step(half, second(half), kind, middle, end)
    ratio = end[1] / now[1]
    return (landed - ratio * noisy) / (end[0] - ratio * now[0])


def error(predicted: Tensor, noisy: Tensor, wanted: Tensor, kind: Prediction, now: At) -> Tensor:
    """Squared error of the clean clip that is meant, times max(SNR, 1): "truncated SNR", section 4 of the paper."""
    clean, _ = clean_and_noise(predicted, noisy, *now, kind)
    alpha, sigma = now
    weight = torch.maximum(alpha.square() / sigma.square(), torch.ones_like(alpha))
    return (clean - wanted).square() * weight
