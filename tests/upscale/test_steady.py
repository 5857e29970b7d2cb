"""Flicker goes; what stands still, what moves and what is cut stays as it was, however a clip is read."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from diffscaler.engine import Engine
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import Stream
from diffscaler.plan import node, nodes
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.upscale.dis import warped_error
from diffscaler.upscale.steady_stage import Steady, SteadyParams
from tests.fakes import FakeClip, FakeClipParams, FakeLender, FakeWatcher, frames_of, install
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for


def moving(count: int, noise: float = 0.0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A textured ground that slides by 1.5 pixels a frame, with noise of its own in every frame."""
    rng = np.random.default_rng(4)
    ground = cv2.GaussianBlur(rng.uniform(0, 255, (size[0], size[1] + 2 * count, 3)).astype(np.float32), (0, 0), 2)
    ground = (ground - ground.mean()) * 3 + 128
    frames = []
    for i in range(count):
        seen = cv2.warpAffine(ground, np.float32([[1, 0, -1.5 * i], [0, 1, 0]]), size[::-1], flags=cv2.INTER_CUBIC)
        frames.append(seen + rng.normal(0, noise, seen.shape) if noise else seen)
    return np.clip(np.stack(frames), 0, 255).round().astype(np.uint8)


def steadied(frames: np.ndarray, chunk: int = 3, start: int = 0, scale: float = 4.0) -> np.ndarray:
    stage = Steady(SteadyParams(scale=scale), ())
    chunks = [part.since(max(0, start - stage.lookback)) for part in in_chunks(frames, chunk)]
    made = list(stage.run((Stream(meta_for(frames), [c for c in chunks if len(c.frames)]),), context(start)))
    assert [part.start for part in made] == [start + sum(len(p.frames) for p in made[:i]) for i in range(len(made))]
    return np.concatenate([part.frames for part in made])


def flicker(frames: np.ndarray) -> float:
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    return float(np.mean([warped_error(a, b) for a, b in pairwise(grey)]))


def error(frames: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((frames.astype(float) - truth) ** 2)))


def test_a_moving_picture_flickers_less_and_is_nearer_the_truth() -> None:
    truth, given = moving(6), moving(6, noise=3.0)
    made = steadied(given)
    assert flicker(made) < 0.75 * flicker(given)
    assert error(made, truth) < 0.75 * error(given, truth)


def test_a_clip_without_flicker_keeps_its_detail() -> None:
    truth = moving(6)
    assert error(steadied(truth), truth) < 1.5


def test_still_frames_stay_bit_by_bit_and_one_frame_is_itself() -> None:
    still = np.repeat(moving(1), 4, axis=0)
    assert np.array_equal(steadied(still), still)
    assert np.array_equal(steadied(still[:1]), still[:1])


def test_nothing_crosses_a_cut() -> None:
    one, other = np.full((3, 48, 64, 3), (200, 30, 30), np.uint8), np.full((3, 48, 64, 3), (20, 40, 190), np.uint8)
    both = np.concatenate([one, other])
    assert np.array_equal(steadied(both, scale=16.0), both)


def test_what_appears_for_a_frame_stays() -> None:
    frames = np.repeat(moving(1), 3, axis=0)
    frames[1, 30:60, 40:80] = 255
    made = steadied(frames)
    assert (made[1, 33:57, 43:77] == 255).all()
    # Beside its edges the flow may find a little of it elsewhere.
    assert np.abs(made.astype(int) - frames).max() <= 8 and np.abs(made.astype(int) - frames).mean() < 0.1


@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize("start", [0, 1, 3, 5])
def test_frames_do_not_depend_on_how_the_clip_is_cut_or_where_a_job_goes_on(chunk: int, start: int) -> None:
    given = moving(6, noise=3.0, size=(48, 64))
    assert np.array_equal(steadied(given, chunk, start), steadied(given, 6)[start:])


@pytest.mark.parametrize("size", [(1, 1), (17, 33), (9, 200)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    given = np.random.default_rng(1).integers(0, 255, (3, *size, 3), dtype=np.uint8)
    assert steadied(given).shape == given.shape


def test_it_runs_in_the_engine(tmp_path, monkeypatch) -> None:
    install(monkeypatch)
    library = ClipLibrary(tmp_path)
    root = node(Steady(SteadyParams(scale=4.0), ()), node(FakeClip(FakeClipParams(frames=5), ())))
    Engine(library, FakeLender()).run(root, FakeWatcher())
    assert len(frames_of(library, root)) == 5


def test_an_upscale_is_steady_unless_told_otherwise_and_a_picture_has_nothing_to_be_steady_about(tmp_path) -> None:
    from PIL import Image

    from tests.video.make import video

    studio = Studio(Settings(data_dir=tmp_path / "data", device="cpu", threads=1))
    clip = studio.add_file(video(tmp_path / "clip.mp4", moving(3, size=(32, 32)))).key
    Image.fromarray(moving(1, size=(32, 32))[0]).save(tmp_path / "still.png")
    still = studio.add_file(tmp_path / "still.png").key

    def stages(**asked) -> list[str]:
        return [at.stage for at in nodes(studio.recipe(UpscaleRequest.model_validate(asked)).root)]

    assert "steady" in stages(clip=clip, scale=2) and "steady" in stages(clip=clip, scale="1080p")
    assert "steady" not in stages(clip=clip, scale=2, steady=0) and "steady" not in stages(
        clip=clip, fps_times=2, scale=1
    )
    assert "steady" not in stages(clip=still, scale=2)
