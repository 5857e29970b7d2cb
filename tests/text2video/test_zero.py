"""Text2Video-Zero: the library's frozen pipeline is the oracle; then its parts, by what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler import compat
from diffscaler.text2video.family import Sampling
from tests.text2video.resuming import check_resumes
from tests.text2video.test_frugal import Plain

STEPS = 20


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    compat.install()
    from diffscaler.models.catalogue import text2video_folder
    from diffscaler.text2video.load import load_pipeline
    from tests.text2video.tiny_families import stable_diffusion

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "sd"
    stable_diffusion().save_pretrained(str(folder))
    spec = text2video_folder(folder)
    assert spec.family and spec.family.name == "zero"
    return folder, load_pipeline(spec, Plain())


def drawn(model: Any, **changes: Any) -> np.ndarray:
    given: dict[str, Any] = {"num_frames": 5, "num_inference_steps": STEPS, "guidance_scale": 4.0, "seed": 3} | changes
    return model.denoise(model.encode_text("a dog", "rain"), Sampling(32, 32, **given), lambda *step: None)


def test_it_equals_the_librarys_pipeline(loaded: tuple[Path, Any]) -> None:
    from diffusers import TextToVideoZeroPipeline

    from diffscaler.text2video.zero import steps_of

    folder, model = loaded
    nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = TextToVideoZeroPipeline.from_pretrained(folder, local_files_only=True, **nothing)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.eval()
    t0, t1 = steps_of(STEPS)
    theirs = pipeline(
        "a dog", negative_prompt="rain", video_length=5, height=32, width=32, num_inference_steps=STEPS,
        guidance_scale=4.0, t0=t0, t1=t1, generator=torch.Generator().manual_seed(3), output_type="latent",
    ).images  # fmt: skip
    ours = drawn(model)
    assert ours.shape == (4, 5, 8, 8)
    assert np.abs(ours - theirs.transpose(0, 1).numpy()).max() < 1e-4


def test_frames_differ_and_one_frame_is_a_picture(loaded: tuple[Path, Any]) -> None:
    _, model = loaded
    clip = drawn(model)
    assert np.abs(np.diff(clip, axis=1)).max() > 1e-3
    assert np.array_equal(clip, drawn(model)) and not np.allclose(clip, drawn(model, seed=4))
    picture = drawn(model, num_frames=1)
    assert picture.shape == (4, 1, 8, 8) and model.decode(picture).shape == (1, 32, 32, 3)


def test_drawing_goes_on_where_it_was_stopped(loaded: tuple[Path, Any], tmp_path: Path) -> None:
    _, model = loaded
    text, sampling = model.encode_text("a dog", ""), Sampling(32, 32, 3, 4, 4.0, 1)
    for stop_at in (1, 3):  # before the frames part, and after
        folder = tmp_path / str(stop_at)
        check_resumes(model, lambda on_step: model.denoise(text, sampling, on_step), folder, stop_at)


def test_steps_are_told_in_order_and_may_stop(loaded: tuple[Path, Any]) -> None:
    _, model = loaded
    text, seen = model.encode_text("a dog", ""), []
    model.denoise(
        text, Sampling(32, 32, 3, 10, 4.0, 1), lambda done, total, clean: seen.append((done, total, clean.shape[1]))
    )
    assert [done for done, _, _ in seen] == list(range(1, seen[0][1] + 1))
    assert {frames for _, _, frames in seen} == {1, 3}

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = dict(model.pipeline.unet.attn_processors)
    with pytest.raises(KeyboardInterrupt):
        model.denoise(text, Sampling(32, 32, 3, 2, 4.0, 1), stop)
    assert model.pipeline.unet.attn_processors.keys() == before.keys()
    assert all(
        type(a) is type(b) for a, b in zip(model.pipeline.unet.attn_processors.values(), before.values(), strict=True)
    )


@given(st.integers(2, 200))
def test_the_two_places_are_in_order(steps: int) -> None:
    compat.install()
    from diffscaler.text2video.zero import steps_of

    t0, t1 = steps_of(steps)
    assert 0 <= t0 < t1 < steps
    assert steps != 50 or (t0, t1) == (44, 47)


def test_a_shift_moves_the_inside_exactly_and_none_is_the_identity() -> None:
    compat.install()
    from diffscaler.text2video.zero import shifted

    frames = torch.randn(2, 4, 16, 16)
    assert torch.equal(shifted(frames, [(0.0, 0.0)] * 2), frames)
    moved = shifted(frames, [(2 / 16, 0.0), (0.0, 3 / 16)])
    assert torch.equal(moved[0, :, :, :-2], frames[0, :, :, 2:])
    assert torch.equal(moved[1, :, :-3], frames[1, :, 3:])
