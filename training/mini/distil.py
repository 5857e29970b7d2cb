"""One halving of progressive distillation: a student's step learns two steps of its teacher, guidance included.

Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models"; guidance as in Meng et al. 2023,
at one fixed scale. All arithmetic is DDIM's, on the time grid that `timestep_spacing="trailing"` gives.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: predict(z, t) -> v: z (B, ...) noisy latents, t int64 (B,), v like z.
Predict = Callable[[Tensor, Tensor], Tensor]


def grid(steps: int, train_timesteps: int = 1000) -> Tensor:
    """The times of a sampler of `steps` steps, from noise to picture: int64 (steps,). The clean picture is time -1."""
    if train_timesteps % steps:
        raise ValueError(f"{steps} steps do not divide {train_timesteps} evenly; use 4, 8, 10, 20, ...")
    return torch.arange(train_timesteps, 0, -(train_timesteps // steps)) - 1


def signal_and_noise(alpha_bar: Tensor, t: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) at times t (B,), shaped to broadcast over `ndim` dimensions; at time -1 (1, 0)."""
    value = torch.where(t < 0, torch.ones_like(alpha_bar[0]), alpha_bar[t.clamp(min=0)])
    value = value.view(-1, *(1,) * (ndim - 1))
    return value.sqrt(), (1 - value).sqrt()


def ddim_step(z: Tensor, v: Tensor, alpha_bar: Tensor, t: Tensor, to: Tensor) -> Tensor:
    """z at time `to`, from z and v at time t."""
    alpha, sigma = signal_and_noise(alpha_bar, t, z.ndim)
    new_alpha, new_sigma = signal_and_noise(alpha_bar, to, z.ndim)
    return new_alpha * (alpha * z - sigma * v) + new_sigma * (sigma * z + alpha * v)


def target(z: Tensor, teacher: Predict, alpha_bar: Tensor, t: Tensor, stride: int) -> Tensor:
    """The clean latents a student must predict at t, so that its one step of `stride` lands where the teacher's two do.

    x = (z'' - (sigma''/sigma) z) / (alpha'' - (sigma''/sigma) alpha), z'' after the teacher's second half step.
    """
    middle, end = t - stride // 2, t - stride
    half = ddim_step(z, teacher(z, t), alpha_bar, t, middle)
    whole = ddim_step(half, teacher(half, middle), alpha_bar, middle, end)
    alpha, sigma = signal_and_noise(alpha_bar, t, z.ndim)
    end_alpha, end_sigma = signal_and_noise(alpha_bar, end, z.ndim)
    ratio = end_sigma / sigma
    return (whole - ratio * z) / (end_alpha - ratio * alpha)


def distillation_loss(v: Tensor, z: Tensor, wanted: Tensor, alpha_bar: Tensor, t: Tensor, weight: Tensor) -> Tensor:
    """Squared error of the predicted clean latents, weighted by max(SNR, 1), "truncated SNR".

    v: the student's prediction at (z, t); wanted: `target`; weight: broadcasts, larger where the subject is.
    """
    alpha, sigma = signal_and_noise(alpha_bar, t, z.ndim)
    per_item = torch.maximum(alpha.square() / sigma.square(), torch.ones_like(alpha))
    squared = (alpha * z - sigma * v - wanted).square() * per_item * weight
    return squared.mean() / weight.mean()
