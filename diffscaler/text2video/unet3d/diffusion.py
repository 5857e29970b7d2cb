"""The noise a clip is mixed with, what a network may predict of it, and the walk back to a clean clip.

z = alpha x + sigma e: z the noisy clip, x the clean one in -1..1, e normal noise, alpha^2 + sigma^2 = 1; alpha^2 is
`alphas_cumprod`. Of T levels, index T - 1 is the noisiest and 0 the cleanest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch

#: What a network says about a noisy clip: its noise, x; or v = alpha e - sigma x (Salimans and Ho 2022, appendix D).
PredictionType = Literal["epsilon", "v_prediction", "sample"]

#: The walk: with fresh noise at every level (Ho et al. 2020), or with none after the first (Song et al. 2021).
SamplerName = Literal["ancestral", "ddim"]
SAMPLERS: tuple[str, ...] = get_args(SamplerName)

# A tensor that broadcasts against clips, or one number for all of them.
Level = torch.Tensor | float


def cosine_alphas_cumprod(num_timesteps: int) -> torch.Tensor:
    """float64 (T,), falling: Nichol and Dhariwal 2021, eq. 17 with s = 0.008, betas at most 0.9999.

    Raises ValueError for no timesteps at all.
    """
    if num_timesteps < 1:
        raise ValueError("a noise schedule needs at least one timestep")
    share = torch.linspace(0, 1, num_timesteps + 1, dtype=torch.float64)
    kept = torch.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - kept[1:] / kept[:-1]).clamp(max=0.9999)
    return (1 - betas).cumprod(0)


def add_noise(clean: torch.Tensor, noise: torch.Tensor, alpha: Level, sigma: Level) -> torch.Tensor:
    """z of the same shape as `clean` and `noise`."""
    return alpha * clean + sigma * noise


def prediction_target(
    clean: torch.Tensor, noise: torch.Tensor, alpha: Level, sigma: Level, prediction_type: PredictionType
) -> torch.Tensor:
    """What a network of this type should say about add_noise(clean, noise, alpha, sigma)."""
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return clean
    return alpha * noise - sigma * clean


def clean_and_noise(
    predicted: torch.Tensor, noisy: torch.Tensor, alpha: Level, sigma: Level, prediction_type: PredictionType
) -> tuple[torch.Tensor, torch.Tensor]:
    """x and e behind a prediction: the inverse of `prediction_target`. alpha and sigma must not be 0.

    From v: x = alpha z - sigma v, e = sigma z + alpha v, which divides by nothing at any level.
    """
    if prediction_type == "epsilon":
        return (noisy - sigma * predicted) / alpha, predicted
    if prediction_type == "sample":
        return predicted, (noisy - alpha * predicted) / sigma
    return alpha * noisy - sigma * predicted, sigma * noisy + alpha * predicted


def threshold(clean: torch.Tensor, ratio: float | None = None) -> torch.Tensor:
    """A predicted clean clip (B, ...) brought into -1..1.

    ratio: None clips. 0..1: dynamic thresholding (Saharia et al. 2022, section 2.3): each clip is divided by that
    quantile of its own absolute values, where it is above 1, so that strong guidance does not burn whole areas out.
    """
    if ratio is None:
        return clean.clamp(-1, 1)
    # Sorted by hand: torch.quantile refuses more than 16 million values.
    values = clean.abs().flatten(1).sort(dim=1).values
    rank = ratio * (values.shape[1] - 1)
    low, high = values[:, math.floor(rank)], values[:, math.ceil(rank)]
    limit = torch.lerp(low, high, rank - math.floor(rank)).clamp(min=1).view(-1, *[1] * (clean.ndim - 1))
    return clean.clamp(-limit, limit) / limit


def posterior(alphas_cumprod: float, alphas_cumprod_next: float) -> tuple[float, float, float]:
    """q(z_next | z, x): its mean is the first number times x plus the second times z; the third is its variance.

    Ho et al. 2020, eq. 7, with the beta between any two levels, next to each other or not, in place of beta_t.
    """
    alpha_step = alphas_cumprod / alphas_cumprod_next
    beta = 1 - alpha_step
    of_clean = math.sqrt(alphas_cumprod_next) * beta / (1 - alphas_cumprod)
    of_noisy = math.sqrt(alpha_step) * (1 - alphas_cumprod_next) / (1 - alphas_cumprod)
    return of_clean, of_noisy, beta * (1 - alphas_cumprod_next) / (1 - alphas_cumprod)


def inference_timesteps(num_timesteps: int, num_inference_steps: int) -> list[int]:
    """Indices of the levels to visit, noisiest first, evenly apart; more steps than levels give every level once.

    "Trailing" spacing (Lin et al. 2023, section 3.3): the walk begins where the noise that it is given belongs.
    Raises ValueError for no steps at all.
    """
    if num_inference_steps < 1:
        raise ValueError("sampling needs at least one step")
    steps = min(num_inference_steps, num_timesteps)
    return [num_timesteps * left // steps - 1 for left in range(steps, 0, -1)]


@dataclass(frozen=True)
class Diffusion:
    """A trained network's noise levels and how clips are drawn from it.

    alphas_cumprod: float64 (T,), falling; dynamic_thresholding_ratio: see `threshold`
    """

    alphas_cumprod: torch.Tensor
    prediction_type: PredictionType = "epsilon"
    dynamic_thresholding_ratio: float | None = None
    sampler: SamplerName = "ancestral"

    def sample(
        self,
        predict: Callable[[torch.Tensor, int], torch.Tensor],
        draw_noise: Callable[[], torch.Tensor],
        num_inference_steps: int,
        on_step: Callable[[int, int, torch.Tensor], None],
    ) -> torch.Tensor:
        """A clean clip in -1..1, of the shape of what `draw_noise` returns.

        predict(noisy, index of the noise level) -> the network's prediction
        on_step(done, total, predicted clean clip) after each step; it may raise, and nothing is left behind
        """
        levels = self.alphas_cumprod.tolist()
        timesteps = inference_timesteps(len(levels), num_inference_steps)
        noisy = draw_noise()
        for done, (timestep, after) in enumerate(zip(timesteps, [*timesteps[1:], None], strict=True), start=1):
            kept, kept_next = levels[timestep], 1.0 if after is None else levels[after]
            alpha, sigma = math.sqrt(kept), math.sqrt(1 - kept)
            clean, _ = clean_and_noise(predict(noisy, timestep), noisy, alpha, sigma, self.prediction_type)
            clean = threshold(clean, self.dynamic_thresholding_ratio)
            if after is None:
                noisy = clean
            elif self.sampler == "ddim":
                # The noise that goes with the clean clip as it was clipped: the two must still add up to z.
                noise = (noisy - alpha * clean) / sigma
                noisy = add_noise(clean, noise, math.sqrt(kept_next), math.sqrt(1 - kept_next))
            else:
                of_clean, of_noisy, variance = posterior(kept, kept_next)
                noisy = of_clean * clean + of_noisy * noisy + math.sqrt(variance) * draw_noise()
            on_step(done, len(timesteps), clean)
        return noisy
