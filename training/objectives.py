"""What a network is asked about a noisy clip, and how much each answer counts.

Two ways of mixing a clean clip x with normal noise e into z = alpha x + sigma e are known here:
 - variance preserving (Ho et al. 2020, eq. 4): alpha^2 + sigma^2 = 1, alpha^2 is a scheduler's `alphas_cumprod`;
 - flow (Lipman et al. 2023, eq. 22 with sigma_min = 0; Liu et al. 2023, eq. 1): alpha = 1 - t, sigma = t, 0 <= t <= 1.
Every conversion below holds for any alpha and sigma, so for both.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from diffscaler.text2video.noise import mixed_noise
from diffscaler.text2video.unet3d.diffusion import Level, add_noise

__all__ = [
    "Prediction",
    "add_noise",
    "alpha_sigma",
    "clean_and_noise",
    "flow_alpha_sigma",
    "flow_times",
    "min_snr_weight",
    "per_clip",
    "prediction_target",
    "signal_to_noise",
    "training_noise",
    "weighted_error",
]

#: epsilon: the noise e. sample: the clean clip x. v_prediction: v = alpha e - sigma x (Salimans and Ho 2022, appendix
#: D). flow: the velocity u = e - x (Liu et al. 2023, eq. 1, with time running towards noise).
Prediction = Literal["epsilon", "v_prediction", "sample", "flow"]


def per_clip(values: Tensor, ndim: int) -> Tensor:
    """(B,) -> (B, 1, ..., 1) with `ndim` axes, to broadcast against clips."""
    return values.view(-1, *(1,) * (ndim - 1))


def alpha_sigma(alphas_cumprod: Tensor, timesteps: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """alpha and sigma at noise levels, each (B, 1, ..., 1) in the dtype of the schedule.

    alphas_cumprod: (T,); timesteps: int64 (B,), indices into it; -1 is the clean clip
    """
    kept = torch.where(timesteps < 0, torch.ones_like(alphas_cumprod[0]), alphas_cumprod[timesteps.clamp(min=0)])
    kept = per_clip(kept, ndim)
    return kept.sqrt(), (1 - kept).sqrt()


def flow_alpha_sigma(times: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """alpha = 1 - t and sigma = t, each (B, 1, ..., 1); times: (B,) in 0..1, 1 is pure noise."""
    times = per_clip(times, ndim)
    return 1 - times, times


def flow_times(count: int, generator: torch.Generator, shift: float = 1.0) -> Tensor:
    """Times to train a flow at, float32 (count,) in 0..1, on the CPU: logit-normal with mean 0 and deviation 1.

    Esser et al. 2024, eq. 19: the middle of the way is the hardest part of it. shift: eq. 23, above 1 leans towards
    noise, as large pictures need; a `FlowMatchEulerDiscreteScheduler` of the same shift walks the same times.
    """
    times = torch.randn(count, generator=generator).sigmoid()
    return shift * times / (1 + (shift - 1) * times)


def prediction_target(clean: Tensor, noise: Tensor, alpha: Level, sigma: Level, kind: Prediction) -> Tensor:
    """What a network of this kind should say about add_noise(clean, noise, alpha, sigma)."""
    if kind == "epsilon":
        return noise
    if kind == "sample":
        return clean
    if kind == "flow":
        return noise - clean
    return alpha * noise - sigma * clean


def clean_and_noise(
    predicted: Tensor, noisy: Tensor, alpha: Level, sigma: Level, kind: Prediction
) -> tuple[Tensor, Tensor]:
    """x and e behind a prediction: the inverse of `prediction_target`.

    epsilon needs alpha > 0 and sample needs sigma > 0; v and flow need neither. From v: x = (alpha z - sigma v) / n and
    e = (sigma z + alpha v) / n with n = alpha^2 + sigma^2. From flow: x = (z - sigma u) / m and e = (z + alpha u) / m
    with m = alpha + sigma.
    """
    if kind == "epsilon":
        return (noisy - sigma * predicted) / alpha, predicted
    if kind == "sample":
        return predicted, (noisy - alpha * predicted) / sigma
    if kind == "flow":
        total = alpha + sigma
        return (noisy - sigma * predicted) / total, (noisy + alpha * predicted) / total
    length = alpha * alpha + sigma * sigma
    return (alpha * noisy - sigma * predicted) / length, (sigma * noisy + alpha * predicted) / length


def signal_to_noise(alpha: Tensor, sigma: Tensor) -> Tensor:
    """SNR = alpha^2 / sigma^2 (Kingma et al. 2021, eq. 3); infinite at the clean clip."""
    return alpha.square() / sigma.square()


def min_snr_weight(snr: Tensor, gamma: float | None, kind: Prediction) -> Tensor:
    """What the squared error of a prediction counts at each noise level, of the shape of `snr`.

    Hang et al. 2023, section 3.4: min(SNR, gamma) times the error of x, whatever the network predicts. As a factor on
    the network's own error that is min(S, g)/S for epsilon, min(S, g)/(S + 1) for v, min(S, g) for sample; for flow
    min(S, g)/(sqrt(S) + 1)^2, since an error of u moves x by sigma/(alpha + sigma) = 1/(sqrt(S) + 1) of it.
    gamma: 5 in the paper; None counts every level alike
    """
    if gamma is None:
        return torch.ones_like(snr)
    capped = snr.clamp(max=gamma)
    if kind == "epsilon":
        return torch.where(snr > gamma, gamma / snr, torch.ones_like(snr))
    if kind == "v_prediction":
        return capped / (snr + 1)
    if kind == "flow":
        return capped / (snr.sqrt() + 1).square()
    return capped


def weighted_error(
    predicted: Tensor, wanted: Tensor, weight: Tensor | float = 1.0, loss_type: Literal["l1", "l2"] = "l2"
) -> Tensor:
    """A number: the mean over clips of each one's mean error times its weight.

    weight: one number for each clip, in any shape that has as many, or one for all; loss_type: absolute or squared
    """
    error = (predicted - wanted).abs() if loss_type == "l1" else (predicted - wanted).square()
    of_clips = error.flatten(1).mean(dim=1)
    return (of_clips * (weight.flatten() if isinstance(weight, Tensor) else weight)).mean()


def training_noise(
    shape: tuple[int, ...], generator: torch.Generator, offset: float = 0.0, shared: float = 0.0
) -> Tensor:
    """Noise to mix clips with, float32 on the CPU, of `shape` (B, C, F, H, W).

    shared: 0..1, the part of its variance that the frames of a clip have in common: each value keeps variance 1, and
    two frames correlate by that much (Luo et al. 2023, "VideoFusion", eq. 6; Ge et al. 2023, section 4.1)
    offset: how much of one more number for each clip and channel, (B, C, 1, 1, 1), is added, so that a network learns
    to set the brightness of a whole clip (Guttenberg 2023, "Diffusion with offset noise": 0.05..0.1); variance 1 + o^2
    """
    noise = mixed_noise(shape, shared, generator)
    if not offset:
        return noise
    return noise + offset * torch.randn((*shape[:2], *(1,) * (len(shape) - 2)), generator=generator)
