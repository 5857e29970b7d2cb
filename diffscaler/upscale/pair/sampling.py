"""From noise to a residual in few steps: DDIM written for v, on a cosine schedule.

Salimans & Ho 2022, appendix D: a noisy z = cos(phi) x + sin(phi) e, v = cos(phi) e - sin(phi) x, and a step to another
angle is a rotation, cos(d) z + sin(d) v. Time t is phi / (pi / 2): 1 is pure noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

#: Side of the square of noise that is repeated over a picture, in cells.
FIELD = 256


def noised(clean: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """(z, v) of clean residuals (B, ...) at times (B,) in (0, 1]."""
    phi = (time * math.pi / 2).view(-1, *(1,) * (clean.ndim - 1))
    return phi.cos() * clean + phi.sin() * noise, phi.cos() * noise - phi.sin() * clean


def denoised(predict: Callable[[Tensor, float], Tensor], noise: Tensor, steps: int) -> Tensor:
    """A clean residual. predict(z, t) -> v; steps: evenly spaced in the angle, the first from pure noise."""
    z = noise
    for index in range(steps):
        time, following = 1 - index / steps, 1 - (index + 1) / steps
        turn = (following - time) * math.pi / 2
        z = math.cos(turn) * z + math.sin(turn) * predict(z, time)
    return z


def noise_field(channels: int, height: int, width: int, seed: int) -> Tensor:
    """Noise (channels, height, width) that depends on the seed and the place alone, not on how large a picture is.

    Every frame has the same: what stands still is drawn alike (Singer et al. 2022, Make-A-Video, section 3.3). Drawn on
    the CPU, so that a seed means the same everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    field = torch.randn((channels, FIELD, FIELD), generator=generator)
    down, across = -(-height // FIELD), -(-width // FIELD)
    return field.repeat(1, down, across)[:, :height, :width]
