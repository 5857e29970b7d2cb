"""Frames between are where things are between; what was filmed stays as it is, and so do time, sound and cuts."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diffscaler.engine import Engine
from diffscaler.media import ClipMeta, Stream
from diffscaler.plan import node
from diffscaler.upscale.flow import between
from diffscaler.upscale.interpolate import Interpolate, InterpolateParams
from tests.fakes import FakeClip, FakeClipParams, FakeWatcher, JobCancelled, frames_of
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for

SIDE = 24


def scene(x: float, y: float, height: int = 96, width: int = 127) -> np.ndarray:
    """A textured red square with its corner at (x, y), quarter pixels counted, on a textured ground."""
    ground = cv2.GaussianBlur(np.random.RandomState(0).randint(60, 120, (height, width, 3)).astype(np.uint8), (0, 0), 2)
    texture = np.random.RandomState(1).randint(0, 80, (SIDE, SIDE, 3)).astype(np.float32)
    square = cv2.GaussianBlur(texture, (0, 0), 1.5) + np.float32([180, 60, 60])
    fine = np.zeros((height * 4, width * 4), np.float32)
    fine[int(y * 4) : int(y * 4) + SIDE * 4, int(x * 4) : int(x * 4) + SIDE * 4] = 1
    there = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)[..., None]
    move = np.float32([[1, 0, x], [0, 1, y]])
    moved = cv2.warpAffine(square, move, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(ground * (1 - there) + moved * there, 0, 255).astype(np.uint8)


def centre(frame: np.ndarray) -> np.ndarray:
    """(x, y) of what is red, in pixels."""
    red = np.clip(frame[..., 0].astype(float) - frame[..., 2] - 30, 0, None)
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return np.array([(red * x).sum(), (red * y).sum()]) / red.sum()


def clip(frames: np.ndarray, times: int, chunk: int = 3, start: int = 0, meta: ClipMeta | None = None,
         at: list[float] | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """All frames and times from `start` on that the stage makes of a clip cut into chunks."""
    meta = meta or meta_for(frames)
    stage = Interpolate(InterpolateParams.model_validate({"times": times}), ())
    chunks = [part.since(stage.reads_from(start)) for part in in_chunks(frames, chunk, at)]
    source = Stream(meta, [part for part in chunks if len(part.frames)])
    made = list(stage.run((source,), context(start)))
    assert [part.start for part in made] == [start + sum(len(p.frames) for p in made[:i]) for i in range(len(made))]
    return np.concatenate([part.frames for part in made]), np.concatenate([part.times for part in made])


@pytest.mark.parametrize("step", [1, 3, 6, 12])
@pytest.mark.parametrize("moment", [0.25, 0.5, 0.75])
def test_a_moving_square_is_where_it_should_be(step: int, moment: float) -> None:
    (made,) = between(scene(30, 30), scene(30 + step, 30), [moment])
    true = scene(30 + step * moment, 30)
    assert np.abs(centre(made) - centre(true)).max() < 0.06
    assert np.abs(made.astype(int) - true).mean() < 0.3


def test_what_is_uncovered_is_taken_from_where_it_is_seen() -> None:
    """Blending both frames leaves a ghost of the square on both sides of it."""
    a, b = scene(30, 30), scene(42, 30)
    (made,) = between(a, b, [0.5])
    true, sides = scene(36, 30), np.s_[34:50, 30:35]
    ghost = np.abs((a[sides].astype(float) + b[sides]) / 2 - true[sides]).mean()
    assert np.abs(made[sides].astype(float) - true[sides]).mean() < ghost / 10


def test_a_still_clip_stays_still_bit_by_bit() -> None:
    frames = np.repeat(scene(30, 30)[None], 4, 0)
    made, _ = clip(frames, 4)
    assert len(made) == 16 and (made == frames[0]).all()


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_that_were_there_stay_and_the_last_is_held(times: int, count: int) -> None:
    frames = np.stack([scene(30 + 2 * i, 30) for i in range(count)])
    made, at = clip(frames, times)
    assert len(made) == count * times and np.array_equal(made[::times], frames)
    assert (made[-times:] == frames[-1]).all()
    assert np.allclose(at, np.arange(count * times) / (30 * times))


@pytest.mark.parametrize(("times", "expected"), [(2, "aabb"), (4, "aaabbbbb")])
def test_a_cut_repeats_the_nearer_frame_and_never_blends(times: int, expected: str) -> None:
    a, b = np.zeros((40, 60, 3), np.uint8), np.full((40, 60, 3), (20, 200, 240), np.uint8)
    made, _ = clip(np.stack([a, b]), times)
    assert "".join("a" if (frame == a).all() else "b" if (frame == b).all() else "?" for frame in made) == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (33, 17), (5, 300)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    rows = np.random.RandomState(3).randint(100, 130, (2, *size, 3)).astype(np.uint8)
    made, _ = clip(rows, 2)
    assert made.shape == (4, *size, 3) and made.min() > 90 and made.max() < 140


def test_large_frames_are_measured_smaller_and_still_right() -> None:
    a, true, b = (cv2.resize(scene(x, 12, 48), None, fx=11, fy=11) for x in (30, 31, 32))
    (made,) = between(a, b, [0.5])
    assert np.abs(centre(made) - centre(true)).max() < 0.5


def test_varying_times_are_divided_evenly_and_rise_to_the_end() -> None:
    frames = np.stack([scene(30 + i, 30) for i in range(4)])
    meta = meta_for(frames, vfr=True, duration_s=1.3)
    _, at = clip(frames, 2, meta=meta, at=[0.0, 0.1, 0.5, 0.9])
    assert np.allclose(at, [0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1])


FIVE = np.stack([scene(10 + 3 * i, 8 + i, 40, 56) for i in range(5)])
FIVE[4] = 255 - FIVE[4]


@given(chunk=st.integers(1, 5), start=st.integers(0, 9))
@hypothesis_settings(deadline=None, max_examples=6)
def test_neither_chunks_nor_where_it_goes_on_show(chunk: int, start: int) -> None:
    whole, at = clip(FIVE, 2, 5)
    part, part_at = clip(FIVE, 2, chunk, start)
    assert np.array_equal(part, whole[start:]) and np.array_equal(part_at, at[start:])


def test_a_stopped_run_goes_on_to_the_same_frames(engine: Engine) -> None:
    whole = node(Interpolate(InterpolateParams(times=2), ()), node(FakeClip(FakeClipParams(chunk=3))))
    engine.run(whole, FakeWatcher())
    expected = frames_of(engine.library, whole)
    assert expected.shape == (40, 18, 24, 3)
    engine.library.remove(whole.key)
    stored = []
    for after in (6, 22, 5):
        with pytest.raises(JobCancelled):
            engine.run(whole, FakeWatcher(stop_after=after))
        stored.append(engine.library.stored_frames(whole.key))
    assert 0 < stored[1] < 40
    engine.run(whole, FakeWatcher())
    assert np.array_equal(frames_of(engine.library, whole), expected)
    assert engine.library.clip(whole.key).meta.fps == Fraction(16)
