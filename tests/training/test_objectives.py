"""What a network may predict of a noisy clip: four ways to say one thing, and what each counts."""

from __future__ import annotations

import math
from itertools import product
from typing import get_args

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st

from training.objectives import (
    Prediction,
    add_noise,
    alpha_sigma,
    clean_and_noise,
    flow_alpha_sigma,
    flow_times,
    min_snr_weight,
    prediction_target,
    signal_to_noise,
    training_noise,
    weighted_error,
)

KINDS: tuple[Prediction, ...] = get_args(Prediction)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def convert(predicted: torch.Tensor, noisy: torch.Tensor, alpha, sigma, kind: Prediction, to: Prediction):
    """The same statement about `noisy`, made in other words."""
    return prediction_target(*clean_and_noise(predicted, noisy, alpha, sigma, kind), alpha, sigma, to)


@pytest.mark.parametrize(("kind", "to"), product(KINDS, KINDS))
@pytest.mark.parametrize("path", ["variance preserving", "flow"])
def test_every_statement_survives_being_made_in_other_words(kind: Prediction, to: Prediction, path: str) -> None:
    clean, noise = drawn(5, 3, 2, 4, 4).clamp(-1, 1), drawn(5, 3, 2, 4, 4, seed=1)
    # Neither end: dividing by a twentieth is what makes a rounding error of float32 reach 1e-6.
    share = torch.linspace(0.15, 0.85, 5)
    angle = share * math.pi / 2
    if path == "flow":
        alpha, sigma = flow_alpha_sigma(share, 5)
    else:
        alpha, sigma = angle.cos().view(-1, 1, 1, 1, 1), angle.sin().view(-1, 1, 1, 1, 1)
    noisy = add_noise(clean, noise, alpha, sigma)
    said = prediction_target(clean, noise, alpha, sigma, kind)
    again = convert(convert(said, noisy, alpha, sigma, kind, to), noisy, alpha, sigma, to, kind)
    assert (again - said).abs().max() <= 1e-6 * max(1.0, float(said.abs().max()))
    back = clean_and_noise(said, noisy, alpha, sigma, kind)
    assert (back[0] - clean).abs().max() <= 2e-6 and (back[1] - noise).abs().max() <= 2e-6 * float(noise.abs().max())


@pytest.mark.parametrize("kind", ["v_prediction", "flow"])
def test_v_and_flow_divide_by_nothing_at_either_end(kind: Prediction) -> None:
    clean, noise = drawn(2, 3, 1, 2, 2), drawn(2, 3, 1, 2, 2, seed=1)
    ends = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1)
    noisy = add_noise(clean, noise, 1 - ends, ends)
    said = prediction_target(clean, noise, 1 - ends, ends, kind)
    for got, truth in zip(clean_and_noise(said, noisy, 1 - ends, ends, kind), (clean, noise), strict=True):
        assert (got - truth).abs().max() < 1e-6


@pytest.mark.parametrize("rescaled", [False, True])
def test_mixing_and_v_are_the_librarys(rescaled: bool) -> None:
    library = DDPMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=rescaled)
    library.alphas_cumprod = library.alphas_cumprod.double()
    clean, noise = drawn(4, 3, 2, 4, 4, dtype=torch.float64), drawn(4, 3, 2, 4, 4, seed=1, dtype=torch.float64)
    timesteps = torch.tensor([0, 300, 700, 999])
    alpha, sigma = alpha_sigma(library.alphas_cumprod, timesteps, 5)
    assert (add_noise(clean, noise, alpha, sigma) - library.add_noise(clean, noise, timesteps)).abs().max() < 1e-12
    v = prediction_target(clean, noise, alpha, sigma, "v_prediction")
    assert (v - library.get_velocity(clean, noise, timesteps)).abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_clean_clip_and_the_next_level_are_the_librarys(kind: Prediction) -> None:
    library = DDIMScheduler(prediction_type=kind, clip_sample=False, timestep_spacing="trailing")
    library.alphas_cumprod = library.alphas_cumprod.double()
    library.final_alpha_cumprod = library.final_alpha_cumprod.double()
    library.set_timesteps(10)
    noisy, said = drawn(1, 3, 2, 4, 4, dtype=torch.float64), drawn(1, 3, 2, 4, 4, seed=1, dtype=torch.float64)
    for timestep in library.timesteps:
        alpha, sigma = alpha_sigma(library.alphas_cumprod, timestep[None], 5)
        clean, noise = clean_and_noise(said, noisy, alpha, sigma, kind)
        after = add_noise(clean, noise, *alpha_sigma(library.alphas_cumprod, timestep[None] - 100, 5))
        theirs = library.step(said, int(timestep), noisy)
        scale = max(1.0, float(theirs.pred_original_sample.abs().max()))
        assert (clean - theirs.pred_original_sample).abs().max() < 1e-12 * scale
        assert (after - theirs.prev_sample).abs().max() < 1e-12 * scale


@given(st.floats(1e-6, 1e6), st.floats(0.1, 100))
def test_a_weight_counts_the_error_of_the_clean_clip_whatever_is_predicted(snr: float, gamma: float) -> None:
    """One and the same mistake about x costs min(SNR, gamma), said as noise, v, x or flow."""
    angle = math.atan(snr**-0.5)
    for kind in KINDS:
        alpha, sigma = torch.tensor(math.cos(angle)).double(), torch.tensor(math.sin(angle)).double()
        if kind == "flow":
            alpha, sigma = alpha / (alpha + sigma), sigma / (alpha + sigma)
        noisy = torch.tensor([0.3]).double()
        right, wrong = (
            convert(torch.tensor([x]).double(), noisy, alpha, sigma, "sample", kind) for x in (0.5, 0.5 + 1.0)
        )
        weight = min_snr_weight(signal_to_noise(alpha, sigma), gamma, kind)
        assert math.isclose(float((wrong - right).square() * weight), min(snr, gamma), rel_tol=1e-6)


def test_weights_at_known_levels() -> None:
    snr = torch.tensor([0.0, 1.0, 5.0, 50.0], dtype=torch.float64)
    assert torch.allclose(min_snr_weight(snr, 5, "epsilon"), torch.tensor([1, 1, 1, 0.1]).double())
    assert torch.allclose(min_snr_weight(snr, 5, "v_prediction"), torch.tensor([0, 0.5, 5 / 6, 5 / 51]).double())
    assert min_snr_weight(snr, None, "epsilon").tolist() == [1] * 4


def test_an_error_is_the_mean_of_clips_each_times_its_weight() -> None:
    wanted = torch.zeros(2, 1, 1, 2, 2)
    said = torch.stack([torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -1.0)])
    weight = torch.tensor([1.0, 4.0])
    assert weighted_error(said, wanted, weight) == (9 + 4) / 2
    assert weighted_error(said, wanted, weight.view(2, 1, 1, 1, 1), "l1") == (3 + 4) / 2
    assert weighted_error(said, wanted) == 5


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_frames_share_as_much_of_their_noise_as_asked(shared: float) -> None:
    noise = training_noise((4, 2, 3, 64, 64), torch.Generator().manual_seed(0), shared=shared)
    assert abs(float(noise.var()) - 1) < 0.02 and abs(float(noise.mean())) < 0.02
    correlation = float((noise[:, :, 0] * noise[:, :, 1]).mean())
    assert abs(correlation - shared) < 0.02


def test_offset_noise_is_one_number_for_a_clip_and_channel() -> None:
    plain, offset = (training_noise((64, 8, 3, 4, 4), torch.Generator().manual_seed(0), offset=o) for o in (0.0, 0.5))
    added = offset - plain
    assert (added - added[:, :, :1, :1, :1]).abs().max() < 1e-6
    assert abs(float(added[:, :, 0, 0, 0].std()) - 0.5) < 0.05


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_times_lie_between_clip_and_noise_and_lean_as_asked(shift: float) -> None:
    times = flow_times(20_000, torch.Generator().manual_seed(0), shift)
    assert float(times.min()) > 0 and float(times.max()) < 1
    assert abs(float(times.median()) - shift / (1 + shift)) < 0.01
