"""What the U-Net learns: v-prediction on a schedule that ends in pure noise."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor


def build_scheduler() -> DDIMScheduler:
    """The schedule of training and of sampling. Zero terminal SNR after Lin et al. 2023."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=0,
    )


#: The least a noise level counts: else fine detail, and above all the first step out of pure noise, in which a sampler
#: of few steps decides what moves where, would hardly be learnt.
FLOOR, NOISY_FLOOR = 0.1, 0.25


def noised(latents: Tensor, noise: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """(x_t, v) of clean latents at cumulative alpha `alpha_bar` (N,). Salimans & Ho 2022."""
    shape = (-1, *(1,) * (latents.ndim - 1))
    signal, sigma = alpha_bar.sqrt().view(shape), (1 - alpha_bar).sqrt().view(shape)
    return signal * latents + sigma * noise, signal * noise - sigma * latents


def v_loss(prediction: Tensor, v: Tensor, alpha_bar: Tensor, weight: Tensor) -> Tensor:
    """Squared error weighted by min(SNR, 5) / (SNR + 1), Hang et al. 2023 written for v; never below a floor.

    weight: broadcast over latents, larger where the subject is.
    """
    snr = alpha_bar / (1 - alpha_bar).clamp(min=1e-6)
    per_item = torch.maximum(snr.clamp(max=5) / (snr + 1), torch.where(snr < 1, NOISY_FLOOR, FLOOR))
    squared = (prediction - v).square() * weight
    return (squared.flatten(1).mean(dim=1) * per_item).mean() / weight.mean()
