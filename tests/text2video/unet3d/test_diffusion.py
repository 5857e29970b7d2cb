"""What a network may predict, and the walk from noise to a clip."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.text2video.unet3d.diffusion import (
    Diffusion,
    add_noise,
    clean_and_noise,
    cosine_alphas_cumprod,
    inference_timesteps,
    posterior,
    prediction_target,
    threshold,
)
from diffscaler.text2video.unet3d.network import Unet3D
from tests.text2video.tiny_unet3d import (
    WORDLESS,
    filled,
)
from tests.text2video.unet3d.common import ignore

PREDICTIONS = ("epsilon", "v_prediction", "sample")


@given(angle=st.floats(0.05, math.pi / 2 - 0.05), kind=st.sampled_from(PREDICTIONS), seed=st.integers(0, 2**31 - 1))
def test_clean_and_noise_come_back_from_every_prediction(angle: float, kind: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        clean, noise = torch.randn((2, 2, 3, 4, 4), generator=generator, dtype=dtype)
        alpha, sigma = math.cos(angle), math.sin(angle)
        noisy = add_noise(clean, noise, alpha, sigma)
        predicted = prediction_target(clean, noise, alpha, sigma, kind)
        found = clean_and_noise(predicted, noisy, alpha, sigma, kind)
        assert torch.stack(found).sub(torch.stack((clean, noise))).abs().max() <= tolerance


def test_a_level_for_each_clip_broadcasts() -> None:
    clean, noise = torch.randn((2, 3, 3, 2, 4, 4), dtype=torch.float64)
    angles = torch.tensor([0.2, 0.7, 1.3], dtype=torch.float64).view(3, 1, 1, 1, 1)
    both = prediction_target(clean, noise, angles.cos(), angles.sin(), "v_prediction")
    alone = prediction_target(clean[1], noise[1], math.cos(0.7), math.sin(0.7), "v_prediction")
    assert (both[1] - alone).abs().max() <= 1e-15


def test_ddim_with_v_is_a_rotation() -> None:
    """Salimans and Ho 2022, appendix D: z_s = cos(phi_s - phi_t) z_t + sin(phi_s - phi_t) v."""
    generator = torch.Generator().manual_seed(0)
    levels = cosine_alphas_cumprod(20)
    seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def predict(noisy: torch.Tensor, index: int) -> torch.Tensor:
        v = 0.01 * torch.randn(noisy.shape, generator=generator, dtype=noisy.dtype)
        seen.append((index, noisy, v))
        return v

    def noise() -> torch.Tensor:
        return 0.01 * torch.randn((1, 3, 2, 4, 4), generator=generator, dtype=torch.float64)  # never clipped

    Diffusion(levels, "v_prediction", sampler="ddim").sample(predict, noise, 9, ignore)
    assert len(seen) == 9
    for (index, noisy, v), (after, noisy_after, _) in pairwise(seen):
        turn = math.acos(math.sqrt(levels[after])) - math.acos(math.sqrt(levels[index]))
        assert (math.cos(turn) * noisy + math.sin(turn) * v - noisy_after).abs().max() <= 1e-12


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_a_network_that_knows_the_clip_draws_it(sampler: Any, kind: Any, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    clip = torch.rand((1, 3, 3, 4, 4), generator=generator, dtype=torch.float64) * 2 - 1
    levels = cosine_alphas_cumprod(50)

    def predict(noisy: torch.Tensor, index: int) -> torch.Tensor:
        alpha, sigma = levels[index].sqrt(), (1 - levels[index]).sqrt()
        return prediction_target(clip, (noisy - alpha * clip) / sigma, alpha, sigma, kind)

    def noise() -> torch.Tensor:
        return torch.randn(clip.shape, generator=generator, dtype=torch.float64)

    drawn = Diffusion(levels, kind, sampler=sampler).sample(predict, noise, steps, ignore)
    assert (drawn - clip).abs().max() < 1e-9


@pytest.mark.parametrize("ratio", [None, 0.9])
def test_all_steps_are_the_published_walk(ratio: float | None) -> None:
    """Their loop, from the buffers their files hold (here in float64), on the same noise."""
    network = filled(Unet3D(WORDLESS)).double().eval()
    noises = torch.randn((6, 1, 3, 2, 8, 8), generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 3
    left, levels = iter(noises), cosine_alphas_cumprod(6)
    with torch.inference_mode():
        ours = Diffusion(levels, dynamic_thresholding_ratio=ratio).sample(
            lambda noisy, index: network(noisy, torch.tensor([index])), lambda: next(left), 6, ignore
        )
        before = torch.cat((torch.ones(1, dtype=torch.float64), levels[:-1]))
        betas = 1 - levels / before
        theirs = noises[0]
        for t in reversed(range(6)):
            clean = (1 / levels[t]).sqrt() * theirs - (1 / levels[t] - 1).sqrt() * network(theirs, torch.tensor([t]))
            limit = max(1.0, clean.abs().quantile(ratio).item()) if ratio else 1.0
            clean = clean.clamp(-limit, limit) / limit
            mean = betas[t] * before[t].sqrt() / (1 - levels[t]) * clean
            mean += (1 - before[t]) * (1 - betas[t]).sqrt() / (1 - levels[t]) * theirs
            variance = betas[t] * (1 - before[t]) / (1 - levels[t])
            theirs = mean + variance.sqrt() * noises[6 - t] if t else mean
    assert (ours - theirs).abs().max() <= 1e-12
    assert ours.abs().max() <= 1 and ours.std() > 0.1


@given(st.integers(2, 200), st.data())
def test_a_jump_between_any_levels_keeps_the_amount_of_noise(num_timesteps: int, data: st.DataObject) -> None:
    levels = cosine_alphas_cumprod(num_timesteps).tolist()
    after = data.draw(st.integers(0, num_timesteps - 2))
    kept, kept_next = levels[data.draw(st.integers(after + 1, num_timesteps - 1))], levels[after]
    of_clean, of_noisy, variance = posterior(kept, kept_next)
    assert abs(of_clean + of_noisy * math.sqrt(kept) - math.sqrt(kept_next)) < 1e-12
    assert variance > 0 and abs(of_noisy**2 * (1 - kept) + variance - (1 - kept_next)) < 1e-12


@given(st.integers(1, 1000), st.integers(1, 1500))
def test_steps_begin_at_the_noisiest_level_and_visit_none_twice(num_timesteps: int, steps: int) -> None:
    found = inference_timesteps(num_timesteps, steps)
    assert len(found) == min(num_timesteps, steps)
    assert found[0] == num_timesteps - 1 and found[-1] >= 0
    gaps = -np.diff(found)
    assert len(gaps) == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)
    assert abs(found[-1] + 1 - num_timesteps / len(found)) < 1


def test_steps_are_spaced_from_the_noisy_end() -> None:
    assert inference_timesteps(1000, 4) == [999, 749, 499, 249]
    assert inference_timesteps(10, 4) == [9, 6, 4, 1]


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="step"):
        inference_timesteps(10, 0)
    with pytest.raises(ValueError, match="timestep"):
        cosine_alphas_cumprod(0)


@given(st.integers(0, 2**31 - 1), st.floats(0.01, 1), st.floats(0.1, 10))
def test_thresholds_are_quantiles_of_each_clip(seed: int, ratio: float, size: float) -> None:
    clip = torch.randn((3, 1, 2, 3, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * size
    clip[1] /= 100
    limits = clip.abs().flatten(1).quantile(ratio, dim=1).clamp(min=1)
    for one, limit, found in zip(clip, limits, threshold(clip, ratio), strict=True):
        assert (found - one.clamp(-limit, limit) / limit).abs().max() <= 1e-12
    assert threshold(clip, ratio).abs().max() <= 1
    assert torch.equal(threshold(clip), clip.clamp(-1, 1))
