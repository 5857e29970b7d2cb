"""FreeInit: equal to the library's, counted, stoppable, and nothing at all at 0 passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffscaler import compat

compat.install()

import torch  # noqa: E402
from diffusers import AnimateDiffPipeline, AnimateDiffSDXLPipeline, DDIMScheduler  # noqa: E402
from diffusers.pipelines.free_init_utils import FreeInitMixin  # noqa: E402

from diffscaler.errors import InvalidRequest, JobCancelled  # noqa: E402
from diffscaler.models.catalogue import Catalogue, text2video_folder  # noqa: E402
from diffscaler.plan import node  # noqa: E402
from diffscaler.requests import Text2VideoRequest  # noqa: E402
from diffscaler.sampling_choices import with_native  # noqa: E402
from diffscaler.settings import Settings  # noqa: E402
from diffscaler.text2video.family import Sampling  # noqa: E402
from diffscaler.text2video.free_init import GAINS, low_pass, mixed_frequencies, signal_left  # noqa: E402
from diffscaler.text2video.load import load_pipeline  # noqa: E402
from diffscaler.text2video.schedulers import DIFFUSION  # noqa: E402
from diffscaler.text2video.stages import Denoise, DenoiseParams  # noqa: E402
from tests.text2video.tiny import save_tiny_animatediff  # noqa: E402
from tests.text2video.tiny_families import save_tiny  # noqa: E402

SAMPLING = Sampling(width=32, height=32, num_frames=4, num_inference_steps=3, guidance_scale=4.0, seed=7)


class Float32:
    torch_name, dtype, name = "cpu", "float32", "CPU"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_animatediff(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_pipeline(text2video_folder(folder), Float32())


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("animatediff-sdxl", tmp_path_factory.mktemp("models") / "sdxl")


def drawn(model: Any, sampling: Sampling, on_step: Any = lambda *step: None) -> np.ndarray:
    return model.denoise(model.encode_text("a dog", "rain"), sampling, on_step)


def of_the_library(pipe: Any, sampling: Sampling) -> np.ndarray:
    """The library's own latents at the same settings, from the same first noise and the same generator."""
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_free_init(num_iters=sampling.free_init + 1, method=sampling.free_init_filter)
    frames = pipe(
        "a dog",
        negative_prompt="rain",
        width=sampling.width,
        height=sampling.height,
        num_frames=sampling.num_frames,
        num_inference_steps=sampling.num_inference_steps,
        guidance_scale=sampling.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(sampling.seed),
        output_type="latent",
    ).frames
    return frames[0].numpy()


@pytest.mark.parametrize("kind", sorted(GAINS))
@pytest.mark.parametrize("passes", [1, 2])
def test_a_clip_equals_the_librarys(folder: Path, model: Any, kind: str, passes: int) -> None:
    sampling = replace(SAMPLING, free_init=passes, free_init_filter=kind)
    reference = of_the_library(AnimateDiffPipeline.from_pretrained(str(folder), local_files_only=True), sampling)
    assert np.abs(reference - drawn(model, sampling)).max() < 1e-5


def test_a_clip_of_an_sdxl_motion_model_is_as_near_to_the_librarys_as_without_it(sdxl: Path) -> None:
    model = load_pipeline(text2video_folder(sdxl), Float32())
    pipe = AnimateDiffSDXLPipeline.from_pretrained(str(sdxl), local_files_only=True, motion_adapter=None)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    plain = replace(SAMPLING, width=64, height=64, scheduler="ddim")
    apart = [
        np.abs(of_the_library(pipe, sampling) - drawn(model, sampling)).max()
        for sampling in (plain, replace(plain, free_init=1))
    ]
    # Single precision through two text encoders and a larger network; what FreeInit itself adds stays below 1e-5.
    assert apart[0] < 1e-4 and apart[1] < apart[0] + 1e-5


@pytest.mark.parametrize("shape", [(16, 8, 8), (4, 13, 9), (5, 6, 7)])
@pytest.mark.parametrize("kind", sorted(GAINS))
def test_the_filter_is_the_librarys(shape: tuple[int, int, int], kind: str) -> None:
    reference = FreeInitMixin()._get_free_init_freq_filter((1, 4, *shape), "cpu", kind, 4, 0.25, 0.25)
    assert (low_pass(shape, kind) - reference[0, 0]).abs().max() < 1e-6


def test_frequencies_are_parted_and_none_is_lost() -> None:
    one, other = torch.randn(2, 1, 4, 8, 8, 8)
    kept = low_pass((8, 8, 8), "butterworth")
    assert (mixed_frequencies(one, one, kept) - one).abs().max() < 1e-5
    assert (mixed_frequencies(one, other, torch.ones(8, 8, 8)) - one).abs().max() < 1e-5
    flat = torch.ones(1, 4, 8, 8, 8)
    assert (mixed_frequencies(flat, torch.zeros_like(flat), kept) - flat).abs().max() < 1e-5, "a mean is coarse"


def test_no_pass_is_what_it_was_and_the_key_too(model: Any) -> None:
    before = drawn(model, SAMPLING)
    assert np.array_equal(before, drawn(model, replace(SAMPLING, free_init=0, free_init_filter="gaussian")))
    assert not np.allclose(before, drawn(model, replace(SAMPLING, free_init=1)))

    def params(**more: Any) -> DenoiseParams:
        return DenoiseParams(
            width=32, height=32, num_frames=4, num_inference_steps=3, guidance_scale=4.0, seed=7, **more
        )

    assert not {"free_init", "free_init_filter"} & params().model_dump(mode="json").keys()
    keys = {node(Denoise(params(**more), ())).key for more in ({}, {"free_init": 0}, {"free_init": 1})}
    assert len(keys) == 2


def test_progress_counts_every_pass_and_so_does_the_forecast(model: Any) -> None:
    told: list[tuple[int, int]] = []
    drawn(model, replace(SAMPLING, free_init=2), lambda done, total, clean: told.append((done, total)))
    assert told == [(done, 9) for done in range(1, 10)]
    params = DenoiseParams(width=32, height=32, num_frames=4, num_inference_steps=3, guidance_scale=4.0, seed=7)
    thrice = Denoise(params.model_copy(update={"free_init": 2}), ())
    assert thrice.effort == 3 * Denoise(params, ()).effort


def test_stop_is_heard_in_a_later_pass_and_the_model_stays_usable(model: Any) -> None:
    calls = []

    def stop_in_the_second(done: int, total: int, clean: Any) -> None:
        calls.append(done)
        if done == 4:
            raise JobCancelled

    sampling = replace(SAMPLING, free_init=1)
    expected = drawn(model, sampling)
    with pytest.raises(JobCancelled):
        drawn(model, sampling, stop_in_the_second)
    assert calls == [1, 2, 3, 4] and np.array_equal(drawn(model, sampling), expected)


@pytest.mark.parametrize("name", sorted(DIFFUSION))
def test_every_sampler_refines_from_noise_of_the_right_strength(model: Any, name: str) -> None:
    begun: list[torch.Tensor] = []
    hook = model.pipeline.unet.register_forward_pre_hook(lambda unet, args: begun.append(args[0]))
    latents = drawn(model, replace(SAMPLING, num_frames=8, scheduler=name, free_init=1))
    hook.remove()
    assert np.isfinite(latents).all()
    first, second = begun[0], begun[len(begun) // 2]
    assert second.std() == pytest.approx(float(first.std()), rel=0.35), "the network meets the noise it was trained on"


def test_long_clips_in_windows_and_reused_steps_refine_too(model: Any) -> None:
    long = replace(SAMPLING, num_frames=8, window=4, overlap=2, reuse="some", free_init=1)
    assert drawn(model, long).shape == (4, 8, 8, 8) and np.isfinite(drawn(model, long)).all()


def test_a_schedule_that_ends_in_pure_noise_has_nothing_to_refine(model: Any) -> None:
    assert signal_left(model.pipeline.scheduler) > 1e-5
    own = model.pipeline.scheduler
    model.pipeline.scheduler = DDIMScheduler(
        rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"
    )
    try:
        with pytest.raises(InvalidRequest, match="nothing that FreeInit could refine") as caught:
            drawn(model, replace(SAMPLING, free_init=1, scheduler="euler"))
        assert caught.value.hint
    finally:
        model.pipeline.scheduler = own


def test_what_cannot_be_refined_is_refused_before_it_starts(folder: Path, settings: Settings) -> None:
    spec = text2video_folder(folder)
    request = Text2VideoRequest(prompt="a dog", free_init=2, num_frames=4)
    assert with_native(request, spec).free_init == 2
    mini = Catalogue(settings).spec("mini", "text2video")
    for wrong, at, words in (
        (request, mini, "mini, built in cannot be refined"),
        (request.model_copy(update={"num_frames": 1}), spec, "a picture has one"),
        (request.model_copy(update={"source_clip": "abcdef"}), spec, "a clip to redraw does not"),
    ):
        with pytest.raises(InvalidRequest, match=words) as caught:
            with_native(wrong, at)
        assert "Refining passes" in caught.value.hint
