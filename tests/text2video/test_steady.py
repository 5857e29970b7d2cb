"""Still parts are held still, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.text2video.steady import REACH, steadied

SCALE = 3.0


def flickering(frames: int, seed: int = 1, noise: float = 1.0) -> np.ndarray:
    """A still picture drawn a little differently each time: uint8 (F, 40, 48, 3)."""
    rng = np.random.default_rng(seed)
    picture = rng.uniform(40, 200, (1, 5, 6, 3)).repeat(8, 1).repeat(8, 2)
    return (picture + rng.normal(0, noise, (frames, 40, 48, 3))).round().astype(np.uint8)


def change(frames: np.ndarray) -> float:
    return float(np.abs(np.diff(frames.astype(float), axis=0)).mean())


def test_a_still_picture_flickers_less_than_half_as_much_and_keeps_its_colours() -> None:
    clip = flickering(16)
    held = steadied(clip, SCALE)
    assert change(held) < 0.5 * change(clip)
    assert np.abs(held.astype(float).mean(0) - clip.astype(float).mean(0)).max() < 1.5


def test_something_that_crosses_the_picture_leaves_no_trail() -> None:
    clip = flickering(16)
    for t in range(16):
        clip[t, 10:20, 2 * t : 2 * t + 10] = (250, 20, 20)
    held = steadied(clip, SCALE).astype(int)
    for t in range(16):
        inside = held[t, 12:18, 2 * t + 2 : 2 * t + 8]
        assert np.abs(inside - (250, 20, 20)).max() <= 2
        behind = np.delete(np.arange(48), np.arange(max(0, 2 * t - 3), min(48, 2 * t + 13)))
        assert np.abs(held[t][:, behind] - clip[t][:, behind].astype(int)).max() < 8


def test_a_cut_does_not_leak() -> None:
    clip = np.concatenate([flickering(8, seed=1), 255 - flickering(8, seed=1)])
    assert np.abs(steadied(clip, SCALE).astype(int) - clip.astype(int)).max() < 8


@given(st.integers(1, 3 * REACH), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_no_frame_depends_on_how_the_clip_is_cut(frames: int, chunk: int) -> None:
    clip = flickering(frames)
    whole = steadied(clip, SCALE)
    for start in range(0, frames, chunk):
        before = min(start, REACH)
        part = steadied(clip[start - before : start + chunk + REACH], SCALE)[before:][:chunk]
        assert np.array_equal(part, whole[start : start + chunk])


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_off_is_off(scale: float) -> None:
    clip = flickering(3)
    assert steadied(clip, scale) is clip
