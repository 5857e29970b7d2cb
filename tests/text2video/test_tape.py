"""Stopping in the middle of sampling loses nothing: what the network said is kept, whatever sampler walks on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler.engine import Engine
from diffscaler.errors import JobCancelled
from diffscaler.library.clips import ClipLibrary
from diffscaler.models.catalogue import text2video_folder
from diffscaler.plan import node
from diffscaler.stage import ModelRef
from diffscaler.text2video.bypass import replaced_forward
from diffscaler.text2video.family import Control, Sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.stages import Denoise, DenoiseParams, EncodeText, EncodeTextParams
from diffscaler.text2video.tape import Tape, taped
from tests.fakes import FakeLender, FakeWatcher
from tests.text2video.resuming import Stopped, check_resumes, counted
from tests.text2video.test_control import home as home
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny import save_tiny_animatediff

SAMPLING = Sampling(32, 32, 4, 4, 3.0, 7)
REF = ModelRef(name="tiny", revision="1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_pipeline(text2video_folder(save_tiny_animatediff(tmp_path_factory.mktemp("m") / "tiny")), Plain())


def drawing(model: Any, sampling: Sampling) -> Any:
    text = model.encode_text("a dog", "rain")
    return lambda on_step: model.denoise(text, sampling, on_step)


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a", "dpm++2m", "unipc", "lcm"])
def test_samplers_with_memory_and_with_noise_of_their_own_go_on_as_if_undisturbed(
    model: Any, tmp_path: Path, scheduler: str
) -> None:
    check_resumes(model, drawing(model, replace(SAMPLING, scheduler=scheduler)), tmp_path / "t", 2)


def test_windows_and_refining_passes_go_on_too(model: Any, tmp_path: Path) -> None:
    long = Sampling(32, 32, 12, 2, 3.0, 1, window=4, overlap=1)
    check_resumes(model, drawing(model, long), tmp_path / "long", 1)
    check_resumes(model, drawing(model, replace(SAMPLING, free_init=1)), tmp_path / "again", 5)


def test_a_controlnet_is_not_asked_for_steps_that_are_answered(home: Path, tmp_path: Path) -> None:
    from diffscaler.models.catalogue import controlnet_folder

    model = load_pipeline(text2video_folder(home / "models" / "motion"), Plain())
    net = controlnet_folder(home / "models" / "controlnets" / "edges").load(Plain())
    frames = np.random.default_rng(1).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    draw = drawing(model, Sampling(64, 64, 4, 3, 3.0, 1, control=Control(net, frames, 1.0)))
    check_resumes(model, draw, tmp_path / "led", 2, net)
    asked: list[int] = []
    with replaced_forward([net], lambda index, forward: lambda *a, **named: asked.append(1) or forward(*a, **named)):
        with taped(Tape(tmp_path / "led"), model, net):
            drawn = draw(lambda *step: None)
        assert asked == []
        assert np.array_equal(drawn, draw(lambda *step: None)) and len(asked) == 3


@pytest.fixture
def stopped(model: Any, tmp_path: Path) -> Iterator[Path]:
    """A tape of two steps of four."""

    def stop(done: int, *_: Any) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped), taped(Tape(tmp_path / "tape"), model):
        drawing(model, SAMPLING)(stop)
    assert len(list((tmp_path / "tape").iterdir())) == 2
    yield tmp_path / "tape"


def test_a_torn_file_and_all_after_it_are_drawn_again(model: Any, stopped: Path) -> None:
    whole = drawing(model, SAMPLING)(lambda *step: None)
    first = sorted(stopped.iterdir())[0]
    first.write_bytes(first.read_bytes()[:-7])
    with counted(model) as calls, taped(tape := Tape(stopped), model):
        assert np.array_equal(drawing(model, SAMPLING)(lambda *step: None), whole)
    assert len(calls) == 4 and tape.replayed == 0


def test_other_questions_get_answers_of_their_own(model: Any, stopped: Path) -> None:
    windowed = replace(SAMPLING, num_frames=4, window=3, overlap=1)
    plain = drawing(model, windowed)(lambda *step: None)
    with counted(model) as calls, taped(tape := Tape(stopped), model):
        assert np.array_equal(drawing(model, windowed)(lambda *step: None), plain)
    assert tape.replayed == 0 and tape.asked == len(calls)


def test_a_full_disk_only_means_that_nothing_is_kept(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffscaler.text2video import tape as module

    monkeypatch.setattr(module, "SPARE_BYTES", 2**62)
    with taped(Tape(tmp_path / "tape"), model):
        drawn = drawing(model, SAMPLING)(lambda *step: None)
    assert np.array_equal(drawn, drawing(model, SAMPLING)(lambda *step: None))
    assert not list((tmp_path / "tape").iterdir())


def test_what_a_network_returns_it_returns_again(tmp_path: Path) -> None:
    from diffusers.models.unets.unet_motion_model import UNetMotionOutput

    tensor = torch.randn(2, 3, dtype=torch.bfloat16)
    for given in (tensor, (tensor,), (tensor, tensor * 2), UNetMotionOutput(sample=tensor)):
        folder = tmp_path / type(given).__name__ / str(len(given))
        Tape(folder).keep("which?", given)
        found = Tape(folder).answer("which?", "cpu")
        assert torch.equal(found[0], given[0]) and len(found) == len(given)
        assert found[0].dtype == torch.bfloat16
        assert torch.equal(found.sample, tensor) if hasattr(given, "sample") else not hasattr(found, "sample")
    with pytest.raises(TypeError, match="str"):
        Tape(tmp_path).keep("which?", "words")


class TinyLender(FakeLender):
    """Lends the one real model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def acquire(self, ref: ModelRef) -> Any:
        from contextlib import nullcontext

        return nullcontext(self.model)


class StopAtStep(FakeWatcher):
    """Presses Stop while step `step` is told."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def stopped(self) -> bool:
        return bool(self.reports) and self.reports[-1].stage == "denoise" and self.reports[-1].done >= self.step


def test_a_stopped_job_goes_on_in_the_middle_of_drawing_and_leaves_nothing_behind(
    model: Any, library: ClipLibrary, tmp_path: Path
) -> None:
    params = DenoiseParams(width=32, height=32, num_frames=4, num_inference_steps=6, guidance_scale=3.0, seed=3)
    plan = node(Denoise(params, (REF,)), node(EncodeText(EncodeTextParams(prompt="a dog"), (REF,))))
    other = ClipLibrary(tmp_path / "other")
    Engine(other, TinyLender(model)).run(plan, FakeWatcher())
    engine = Engine(library, TinyLender(model))
    with counted(model) as calls:
        with pytest.raises(JobCancelled):
            engine.run(plan, StopAtStep(4))
        made = len(calls)
        assert 4 <= made < 6 and library.unfinished(plan.key).is_dir()
        assert library.pace("denoise", "tiny") is None
        engine.run(plan, FakeWatcher())
    assert len(calls) == 6
    (whole,), (again,) = other.read(plan.key), library.read(plan.key)
    assert np.array_equal(whole.tensors["latents"], again.tensors["latents"])
    assert not library.unfinished(plan.key).exists() and not other.unfinished(plan.key).exists()
    # Only what was drawn counts: the steps that were there already would make the next forecast too rosy.
    slow, fast = other.pace("denoise", "tiny"), library.pace("denoise", "tiny")
    assert slow and fast and fast > slow / 8


def test_drafts_that_use_results_twice_keep_no_tape(model: Any, library: ClipLibrary) -> None:
    params = DenoiseParams(
        width=32, height=32, num_frames=4, num_inference_steps=4, guidance_scale=3.0, seed=3, reuse="some"
    )
    plan = node(Denoise(params, (REF,)), node(EncodeText(EncodeTextParams(prompt="a dog"), (REF,))))
    with pytest.raises(JobCancelled):
        Engine(library, TinyLender(model)).run(plan, StopAtStep(2))
    assert not library.unfinished(plan.key).exists()
