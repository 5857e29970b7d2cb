"""One halving of progressive distillation: a student's step learns two steps of its teacher, guidance included.

Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models"; guidance as in Meng et al. 2023,
at one fixed scale. All arithmetic is DDIM's, on the time grid that `timestep_spacing="trailing"` gives.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training import distillation
from training.objectives import alpha_sigma as signal_and_noise

#: predict(z, t) -> v: z (B, ...) noisy latents, t int64 (B,), v like z.
Predict = Callable[[Tensor, Tensor], Tensor]


def grid(steps: int, train_timesteps: int = 1000) -> Tensor:
    """The times of a sampler of `steps` steps, from noise to picture: int64 (steps,). The clean picture is time -1."""
    if train_timesteps % steps:
        raise ValueError(f"{steps} steps do not divide {train_timesteps} evenly; use 4, 8, 10, 20, ...")
    return torch.arange(train_timesteps, 0, -(train_timesteps // steps)) - 1


def ddim_step(z: Tensor, v: Tensor, alpha_bar: Tensor, t: Tensor, to: Tensor) -> Tensor:
    """z at time `to`, from z and v at time t."""
    now, then = (signal_and_noise(alpha_bar, time, z.ndim) for time in (t, to))
    return distillation.step(z, v, "v_prediction", now, then)


def target(z: Tensor, teacher: Predict, alpha_bar: Tensor, t: Tensor, stride: int) -> Tensor:
    """The clean latents a student must predict at t, so that its one step of `stride` lands where the teacher's two do.

    See `distillation.target`.
    """
    middle, end = t - stride // 2, t - stride
    levels = [signal_and_noise(alpha_bar, time, z.ndim) for time in (t, middle, end)]
    return distillation.target(
        z, lambda z: teacher(z, t), lambda z: teacher(z, middle), "v_prediction", levels[0], levels[1], levels[2]
    )


def distillation_loss(v: Tensor, z: Tensor, wanted: Tensor, alpha_bar: Tensor, t: Tensor, weight: Tensor) -> Tensor:
    """Squared error of the predicted clean latents, weighted by max(SNR, 1), "truncated SNR".

    v: the student's prediction at (z, t); wanted: `target`; weight: broadcasts, larger where the subject is.
    """
    squared = distillation.error(v, z, wanted, "v_prediction", signal_and_noise(alpha_bar, t, z.ndim)) * weight
    return squared.mean() / weight.mean()
