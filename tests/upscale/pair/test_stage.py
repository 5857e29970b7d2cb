"""Windows, tiles, chunks and where a job goes on leave no trace; cuts end windows; still clips stay still."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diffscaler.media import Stream
from diffscaler.upscale.pair.ssr import bicubic, enlarged, to_unit
from diffscaler.upscale.pair.stage import PairParams, UpscalePair
from diffscaler.upscale.pair.tiles import LoadedPair, Sampler
from diffscaler.upscale.pair.windows import Windows, faded
from tests.upscale.pair.tiny import tiny
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for

PAIR = LoadedPair(tiny(), torch.device("cpu"), torch.float32)


def clip(count: int, height: int = 10, width: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (count, height, width, 3), dtype=np.uint8)


def upscaled(frames: np.ndarray, chunk: int = 3, start: int = 0, **params: Any) -> np.ndarray:
    stage = UpscalePair(PairParams.model_validate({"scale": 4, "num_inference_steps": 2, **params}), ())
    begin = max(0, start - stage.lookback)
    chunks = [part.since(begin) for part in in_chunks(frames, chunk)]
    source = Stream(meta_for(frames), [part for part in chunks if len(part.frames)])
    told = context(start, acquire=lambda _: nullcontext(PAIR))
    stage = UpscalePair(stage.params, (None,))  # type: ignore[arg-type]
    made = list(stage.run((source,), told))
    assert [part.start for part in made] == [start + sum(len(p.frames) for p in made[:i]) for i in range(len(made))]
    times = np.concatenate([part.times for part in made])
    assert np.allclose(times, (start + np.arange(len(times))) / float(source.meta.fps))
    return np.concatenate([part.frames for part in made])


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 4), st.integers(0, 59))
def test_windows_cover_every_frame_and_their_weights_fade(frames: int, window: int, overlap: int, start: int) -> None:
    windows = Windows(window, min(overlap, window // 2))
    said = np.zeros(frames)
    for index in range(windows.count(frames)):
        begin = index * windows.stride
        for i in range(min(windows.window, frames - begin)):
            said[begin + i] += windows.weight(i)
    assert (said > 0).all() and np.allclose(said[windows.overlap : windows.stride], 1)
    if start < frames:
        first = windows.first(start) * windows.stride
        assert start - first < window
        assert first == 0 or first - windows.stride + window <= start


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 14, 15, 20])
def test_frames_that_need_no_network_pass_as_they_are(count: int) -> None:
    frames = clip(count)
    made = list(faded(iter(frames), Windows(8, 2), count, 0, lambda part, _: part.astype(np.float32)))
    assert np.array_equal(np.stack(made), frames)


@given(chunk=st.integers(1, 9), start=st.integers(0, 16))
@hypothesis_settings(deadline=None, max_examples=12)
def test_neither_chunks_nor_where_it_goes_on_show(chunk: int, start: int) -> None:
    frames = clip(17)
    assert np.array_equal(upscaled(frames, chunk, start), upscaled(frames, 17)[start:])


@pytest.mark.parametrize("tile", [8, 22, 48])
def test_tiles_leave_no_seam(tile: int) -> None:
    frames = clip(2, 62, 75)
    whole, tiled = (enlarged(PAIR, frames, Sampler(2, 0.05, 3, size)) for size in (256, tile))
    assert (whole - tiled).abs().max() <= 1e-5 * 255


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 2), (13, 17)])
@pytest.mark.parametrize("count", [1, 2])
def test_any_size_and_one_or_two_frames_will_do(size: tuple[int, int], count: int) -> None:
    assert upscaled(clip(count, *size)).shape == (count, 4 * size[0], 4 * size[1], 3)


def test_half_the_factor_is_the_same_made_smaller() -> None:
    frames = clip(3)
    whole = upscaled(frames).astype(float)
    halved = whole.reshape(3, 20, 2, 24, 2, 3).mean((2, 4))
    assert np.abs(upscaled(frames, scale=2) - halved).max() <= 1


def test_a_still_clip_stays_still_bit_by_bit() -> None:
    made = upscaled(np.repeat(clip(1), 11, 0))
    assert (made == made[0]).all()


def test_nothing_crosses_a_cut() -> None:
    red, blue = np.full((5, 8, 8, 3), (210, 30, 20), np.uint8), np.full((5, 8, 8, 3), (10, 60, 220), np.uint8)
    red[:, 2:5, 2:6] += 20
    both = upscaled(np.concatenate([red, blue]))
    assert np.array_equal(both[:5], upscaled(red)) and np.array_equal(both[5:], upscaled(blue))


def test_frames_of_a_window_inform_each_other_and_the_seed_is_a_choice() -> None:
    frames = clip(4)
    changed = frames.copy()
    changed[3, 5:8, 5:8] = 255 - changed[3, 5:8, 5:8]
    assert np.abs(upscaled(changed)[2].astype(int) - upscaled(frames)[2]).max() > 0
    assert np.array_equal(upscaled(frames, seed=1), upscaled(frames, seed=1))
    assert not np.array_equal(upscaled(frames, seed=1), upscaled(frames, seed=2))


def test_a_fresh_network_s_average_is_the_bicubic_enlargement() -> None:
    network = tiny()
    for weight in (network.conv_out.weight, network.conv_out.bias):
        weight.zero_()
    frames = clip(2)
    made = enlarged(LoadedPair(network, torch.device("cpu"), torch.float32), frames, Sampler(1, 0.0, 0, 256))
    assert (made - (bicubic(to_unit(frames), 4) + 1) * 127.5).abs().max() < 1e-2
