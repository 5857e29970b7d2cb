"""From a clip to the noise that a sampler would draw it from, and back. Song et al. 2021 (DDIM), section 4.3; Mokady et
al. 2023 ("Null-text Inversion"), section 3.1: without guidance the way back meets the way there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from diffscaler.text2video.schedulers import make_scheduler
from diffscaler.text2video.unet3d.diffusion import add_noise, clean_and_noise

#: predict(noisy latents, timestep) -> what the network says of them, of the same shape
Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

#: on_step(index of the step, clean latents as the sampler sees them now)
OnStep = Callable[[int, torch.Tensor], None]


@dataclass(frozen=True)
class Walk:
    """The noise levels of a sampler from noise to picture.

    timesteps: int64 (N,), falling; kept: float64 (N + 1,), alpha^2 at each of them and at the end; kind: of prediction
    """

    timesteps: torch.Tensor
    kept: torch.Tensor
    kind: Any

    @classmethod
    def of(cls, scheduler: Any, steps: int) -> Walk:
        """DDIM's levels on a model's own schedule. Raises InvalidRequest when it has no such schedule."""
        ddim = make_scheduler(scheduler, "ddim")
        ddim.set_timesteps(steps)
        times = ddim.timesteps.cpu().long()
        kept = torch.cat([ddim.alphas_cumprod[times], ddim.final_alpha_cumprod.reshape(1)])
        return cls(times, kept.double(), ddim.config.get("prediction_type", "epsilon"))

    def __len__(self) -> int:
        return len(self.timesteps)


#: How often a step on the way to noise is corrected.
CORRECTIONS = 2


@torch.no_grad()
def inverted(latents: torch.Tensor, walk: Walk, predict: Predict, corrections: int = CORRECTIONS) -> torch.Tensor:
    """The noise of clean latents, of the same shape and dtype.

    A step asks the network what it would say at the level it goes to, of latents that are not there yet. The original
    asks it of those it has; each correction asks again, of where that led to (Pan et al. 2023, "AIDI", section 3.2), so
    that `redrawn` comes back the way it went. corrections: 0 is the original
    """
    x = latents.float()
    for i in reversed(range(len(walk))):
        given = x
        predicted = predict(given, walk.timesteps[i]).float()
        noise = clean_and_noise(predicted, given, *_level(walk, _noisy_enough(walk, i + 1, i)), walk.kind)[1]
        x = _noisier(given, noise, walk, i)
        for _ in range(corrections):
            predicted = predict(x, walk.timesteps[i]).float()
            noise = clean_and_noise(predicted, x, *_level(walk, i), walk.kind)[1]
            x = _noisier(given, noise, walk, i)
    return x.to(latents.dtype)


@torch.no_grad()
def redrawn(noise: torch.Tensor, walk: Walk, predict: Predict, on_step: OnStep = lambda i, clean: None) -> torch.Tensor:
    """Clean latents from noise, by DDIM without fresh noise."""
    x = noise.float()
    for i in range(len(walk)):
        predicted = predict(x, walk.timesteps[i]).float()
        clean, own = clean_and_noise(predicted, x, *_level(walk, i), walk.kind)
        x = add_noise(clean, own, *_level(walk, i + 1))
        on_step(i, clean)
    return x.to(noise.dtype)


def _noisier(x: torch.Tensor, noise: torch.Tensor, walk: Walk, i: int) -> torch.Tensor:
    """`x`, which is at the level after step `i`, at the level before it, if `noise` is the noise in it."""
    alpha, sigma = _level(walk, i + 1)
    return add_noise((x - sigma * noise) / alpha, noise, *_level(walk, i))


def _noisy_enough(walk: Walk, index: int, other: int) -> int:
    """Of two levels the one at which a prediction says what the noise is: a predicted picture says nothing about it
    where there is none."""
    return other if walk.kind == "sample" and float(walk.kept[index]) >= 1 else index


def _level(walk: Walk, index: int) -> tuple[float, float]:
    """alpha and sigma."""
    kept = float(walk.kept[index])
    return kept**0.5, (1 - kept) ** 0.5
