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


@torch.no_grad()
def inverted(latents: torch.Tensor, walk: Walk, predict: Predict) -> torch.Tensor:
    """The noise of clean latents, of the same shape and dtype. Each step asks the network at the level it goes to."""
    x = latents.float()
    for i in reversed(range(len(walk))):
        x = _moved(x, walk, i, predict(x, walk.timesteps[i]).float(), i + 1, i)[0]
    return x.to(latents.dtype)


@torch.no_grad()
def redrawn(noise: torch.Tensor, walk: Walk, predict: Predict, on_step: OnStep = lambda i, clean: None) -> torch.Tensor:
    """Clean latents from noise, by DDIM without fresh noise."""
    x = noise.float()
    for i in range(len(walk)):
        x, clean = _moved(x, walk, i, predict(x, walk.timesteps[i]).float(), i, i + 1)
        on_step(i, clean)
    return x.to(noise.dtype)


def _moved(
    x: torch.Tensor, walk: Walk, asked: int, predicted: torch.Tensor, here: int, there: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`x` at the level `here` moved to `there`, and its clean latents. asked: the level the network was told."""
    alpha, sigma = _level(walk, here)
    if walk.kind == "sample":  # which says nothing about the noise where there is next to none
        alpha, sigma = (alpha, sigma) if sigma > 0 else _level(walk, asked)
    clean, noise = clean_and_noise(predicted, x, alpha, sigma, walk.kind)
    return add_noise(clean, noise, *_level(walk, there)), clean


def _level(walk: Walk, index: int) -> tuple[float, float]:
    kept = float(walk.kept[index])
    return kept**0.5, (1 - kept) ** 0.5
