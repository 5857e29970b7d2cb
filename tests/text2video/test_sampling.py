"""Guidance, windows and samplers, by their promises."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import InvalidRequest
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.schedulers import DIFFUSION, FLOW, KNOWS_ZERO_SNR, clean_latents, make_scheduler
from diffscaler.text2video.windows import blended, weights, windows

sizes = st.tuples(st.integers(1, 200), st.integers(1, 40), st.integers(0, 39))


@given(sizes)
def test_windows_cover_every_frame_and_neighbours_share_enough(size: tuple[int, int, int]) -> None:
    num_frames, window, overlap = size[0], size[1], size[2] % size[1]
    ranges = windows(num_frames, window, overlap)
    assert {i for frames in ranges for i in frames} == set(range(num_frames))
    assert all(len(frames) == min(window, num_frames) for frames in ranges)
    for before, after in pairwise(ranges):
        assert before.start < after.start and before.stop - after.start >= overlap


def test_a_window_that_would_not_advance_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        windows(10, 4, 4)


def test_one_window_is_exactly_one_call_with_the_latents_as_they_are() -> None:
    latents = torch.randn(1, 4, 8, 4, 4)
    calls = []

    def predict(part: torch.Tensor, frames: range) -> torch.Tensor:
        calls.append((part, frames))
        return part

    assert blended(predict, latents, 8, 2) is latents and calls[0][0] is latents and len(calls) == 1


@given(st.integers(9, 60), st.integers(2, 8), st.integers(0, 7))
def test_a_denoiser_that_looks_at_single_frames_does_not_notice_windows(n: int, window: int, overlap: int) -> None:
    latents = torch.randn(1, 2, n, 2, 2, dtype=torch.float64)
    result = blended(lambda part, frames: part.sin(), latents, window, overlap % window)
    assert (result - latents.sin()).abs().max() < 1e-12
    # And so moving the clip moves the result.
    rolled = blended(lambda part, frames: part.sin(), latents.roll(1, 2), window, overlap % window)
    assert (rolled - result.roll(1, 2)).abs().max() < 1e-12


def test_a_windows_middle_counts_most_and_its_ends_something() -> None:
    values = weights(8)
    assert values == values[::-1] and min(values) > 0 and max(values) <= 1
    assert values[:4] == sorted(values[:4])


def test_guidance_one_is_the_prediction_with_words() -> None:
    a, b = torch.randn(2, 1, 4, 3, 2, 2, dtype=torch.float64)
    assert (guided(a, b, 1.0) - b).abs().max() < 1e-15
    assert torch.equal(guided(a, b, 5.0), a + 5 * (b - a))


def test_rescaled_guidance_has_the_contrast_of_the_prediction_with_words() -> None:
    a, b = torch.randn(2, 2, 4, 3, 8, 8, dtype=torch.float64)
    strong = guided(a, b, 9.0, rescale=1.0)
    for clip, plain in zip(strong, b, strict=True):
        assert abs(clip.std() - plain.std()) < 1e-12
    assert guided(a, b, 9.0).std() > 2 * b.std()


class Scheduled:
    """A model's own scheduler, of noise or of flow."""

    @staticmethod
    def diffusion(**changes: object) -> object:
        from diffusers import DDIMScheduler

        return DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, **changes
        )

    @staticmethod
    def flow() -> object:
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler(shift=3.0)


def reached(scheduler: object, truth: torch.Tensor, flow: bool, prediction: str) -> tuple[torch.Tensor, list[float]]:
    """What a sampler makes of noise with a network that always predicts the true picture; preview errors on the way."""
    generator = torch.Generator().manual_seed(0)
    scheduler.set_timesteps(12)
    x = torch.randn(truth.shape, generator=generator, dtype=torch.float64) * getattr(scheduler, "init_noise_sigma", 1.0)
    errors = []
    for t in scheduler.timesteps:
        given = x if flow else scheduler.scale_model_input(x, t)
        if flow:
            index = scheduler.step_index if scheduler.step_index is not None else len(errors)
            sigma = scheduler.sigmas[index]
            predicted = (x - truth) / sigma
        else:
            sigma = None
            alpha_bar = scheduler.alphas_cumprod[int(t)].double()
            a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
            noise = (given - a * truth) / s
            predicted = a * noise - s * truth if prediction == "v_prediction" else noise
        step = scheduler.step(predicted, t, x)
        clean = clean_latents(scheduler, step, predicted, x, None if sigma is None else float(sigma))
        errors.append(float((clean - truth).abs().max()))
        x = step.prev_sample
    return x, errors


@pytest.mark.parametrize("name", ["native", *DIFFUSION])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_every_noise_sampler_reaches_the_picture_of_a_perfect_network(name: str, prediction: str) -> None:
    truth = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    x, errors = reached(make_scheduler(Scheduled.diffusion(prediction_type=prediction), name), truth, False, prediction)
    # Samplers that add noise, and those that end a little before zero, end a little beside it.
    assert (x - truth).abs().max() < 0.25, name
    # What is shown on the way is the clean picture, as the network sees it, not the noise around it.
    assert max(errors) < 0.25, (name, errors)


@pytest.mark.parametrize("name", ["native", *FLOW])
def test_every_flow_sampler_reaches_the_picture_of_a_perfect_network(name: str) -> None:
    truth = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    x, errors = reached(make_scheduler(Scheduled.flow(), name), truth, True, "flow")
    assert (x - truth).abs().max() < 0.05 and max(errors) < 0.05, (name, errors)


def test_the_models_own_scheduler_is_never_changed_by_a_run() -> None:
    own = Scheduled.diffusion()
    before = own.timesteps.clone()
    for name in ("native", *DIFFUSION):
        make_scheduler(own, name).set_timesteps(3)
    assert torch.equal(own.timesteps, before)


def test_a_sampler_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidRequest, match="flow") as caught:
        make_scheduler(Scheduled.flow(), "lcm")
    assert "euler" in caught.value.hint
    pure = Scheduled.diffusion(rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction")
    refused = [name for name in DIFFUSION if name not in KNOWS_ZERO_SNR]
    assert refused
    for name in refused:
        with pytest.raises(InvalidRequest, match="pure noise"):
            make_scheduler(pure, name)


@pytest.mark.parametrize("name", ["native", *sorted(KNOWS_ZERO_SNR)])
def test_samplers_that_know_pure_noise_stay_finite_there(name: str) -> None:
    truth = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    own = Scheduled.diffusion(
        rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction"
    )  # fmt: skip
    x, _ = reached(make_scheduler(own, name), truth, False, "v_prediction")
    assert torch.isfinite(x).all() and (x - truth).abs().max() < 0.3, name
