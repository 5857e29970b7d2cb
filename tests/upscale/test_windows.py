"""Windows answer for each pixel once, and see enough around their own for the answer of the whole picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn

from diffscaler.upscale.load import on_device
from diffscaler.upscale.reach import HARD_PX, reach_of
from diffscaler.upscale.tile import Upscaler, run_network, upscale_frame, upscale_frames
from diffscaler.upscale.windows import cover, least_work
from tests.devices import exact_cpu
from tests.upscale.tiny import compact_network, rrdb_network

SIZES = st.integers(1, 130)


@given(SIZES, SIZES, st.integers(1, 90), st.integers(0, 30), st.sampled_from([1, 2, 16]))
def test_windows_own_every_pixel_once_and_see_around_it(
    height: int, width: int, size: int, overlap: int, align: int
) -> None:
    count = np.zeros((height, width), int)
    for at in cover(height, width, size, size, overlap, align):
        count[at.own.top : at.own.bottom, at.own.left : at.own.right] += 1
        assert at.seen.top == 0 or (at.seen.top <= at.own.top - overlap and at.seen.top % align == 0)
        assert at.seen.right == width or (at.seen.right >= at.own.right + overlap and at.seen.right % align == 0)
        assert max(at.own.bottom - at.own.top, at.own.right - at.own.left) <= max(size, align)
    assert (count == 1).all()


@given(SIZES, SIZES, st.integers(2000, 20000), st.integers(0, 12), st.integers(1, 4))
def test_no_window_sees_more_than_it_may(height: int, width: int, limit: int, overlap: int, at_least: int) -> None:
    tall, wide = least_work(height, width, limit, overlap, 4, at_least)
    windows = list(cover(height, width, tall, wide, overlap, 4))
    for at in windows:
        assert (at.seen.bottom - at.seen.top) * (at.seen.right - at.seen.left) <= limit
    if at_least == 1 and height * width <= limit:
        assert len(windows) == 1
    if height >= 4 * at_least**2:  # a smaller picture may not divide into so many pieces of whole cells
        assert len(windows) >= at_least


@pytest.mark.parametrize(("depth", "kernel", "scale"), [(1, 3, 1), (4, 3, 2), (7, 5, 1)])
def test_the_reach_of_plain_convolutions_is_what_is_counted(depth: int, kernel: int, scale: int) -> None:
    layers: list[nn.Module] = [nn.Conv2d(3, 8, kernel, padding=kernel // 2)]
    layers += [nn.Conv2d(8, 8, kernel, padding=kernel // 2) for _ in range(depth - 2)]
    layers += [nn.Conv2d(8, 3 * scale**2, kernel, padding=kernel // 2)] if depth > 1 else [nn.Conv2d(8, 3, 1)]
    assert reach_of(nn.Sequential(*layers, nn.PixelShuffle(scale)), scale) == depth * (kernel // 2)


class Everywhere(nn.Module):
    """Adds the whole picture's mean to every pixel, as channel attention does."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + image.mean((2, 3), keepdim=True)


def test_a_network_that_looks_at_everything_is_told() -> None:
    assert reach_of(Everywhere(), 1) is None


def test_a_wide_field_that_fades_has_the_reach_of_its_fading() -> None:
    """60 convolutions see 60 pixels far; when each passes on little of its surroundings, far less shows."""
    layers = [nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(60)]
    for layer in layers:
        with torch.no_grad():
            layer.weight.mul_(0.05)
            layer.weight[range(3), range(3), 1, 1] = 0.9
    found = reach_of(nn.Sequential(*layers), 1)
    assert found is not None and 2 < found < HARD_PX


@pytest.fixture(scope="module", params=["compact x4", "rrdb x4", "rrdb x2"])
def upscaler(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    from diffscaler.models.catalogue import upscaler_file
    from diffscaler.upscale.load import load_file

    kind, scale = request.param.split(" x")
    make = compact_network if kind == "compact" else rrdb_network
    path: Path = tmp_path_factory.mktemp("up") / "tiny.pth"
    torch.save({"params": make(int(scale)).state_dict()}, path)
    return load_file(upscaler_file(path), exact_cpu())


def floats(upscaler: Upscaler, frame: np.ndarray, tile: int) -> np.ndarray:
    """The answer before it is rounded to 8 bits, put together from windows."""
    own, out = upscaler.scale, np.zeros((3, frame.shape[0] * upscaler.scale, frame.shape[1] * upscaler.scale), "f")
    for at in upscaler.windows(*frame.shape[:2], tile):
        made = run_network(upscaler, frame[at.seen.top : at.seen.bottom, at.seen.left : at.seen.right]).numpy()
        top, left, bottom, right = (px * own for px in at.own)
        y, x = top - at.seen.top * own, left - at.seen.left * own
        out[:, top:bottom, left:right] = made[:, y : y + bottom - top, x : x + right - left]
    return out


@pytest.mark.parametrize("size", [(70, 100), (61, 75), (33, 90)])
def test_windows_of_any_size_give_the_whole_picture(upscaler: Upscaler, size: tuple[int, int]) -> None:
    frame = picture(*size)
    whole = floats(upscaler, frame, 1024)
    for tile in (16, 32, 48, 80):
        assert np.abs(floats(upscaler, frame, tile) - whole).max() < 1e-5
    assert (
        np.abs(upscale_frame(upscaler, frame, upscaler.scale).astype(float) - whole.transpose(1, 2, 0) * 255).max()
        < 0.6
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (17, 33)])
def test_odd_and_very_small_pictures(upscaler: Upscaler, size: tuple[int, int]) -> None:
    made = upscale_frame(upscaler, picture(*size), upscaler.scale, 16)
    assert made.shape == (size[0] * upscaler.scale, size[1] * upscaler.scale, 3)


def test_windows_that_look_at_everything_leave_no_seam() -> None:
    upscaler = on_device(Everywhere(), 1, exact_cpu())
    frame = np.full((90, 90, 3), 60, np.uint8)
    frame[:, :20] = 0
    made = upscale_frame(upscaler, frame, 1, 32)
    steps = np.abs(np.diff(made[:, 32:].astype(int), axis=1))
    assert steps.max() <= 2 and len(upscaler.windows(90, 90, 32)) == 9


def test_frames_come_in_order_whatever_the_workers(upscaler: Upscaler) -> None:
    from dataclasses import replace

    frames = [picture(20 + index, 24, index) for index in range(7)]
    alone = [upscale_frame(upscaler, frame, upscaler.scale) for frame in frames]
    together = list(upscale_frames(replace(upscaler, workers=3), iter(frames), upscaler.scale))
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(alone, together, strict=True))


def test_a_stop_reaches_the_network_and_the_next_job_runs(upscaler: Upscaler) -> None:
    class Stop(Exception):
        pass

    def step(*_: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        list(upscale_frames(upscaler, [picture(200, 200)] * 3, upscaler.scale, step=step))
    assert upscale_frame(upscaler, picture(8, 8), upscaler.scale).shape[0] == 8 * upscaler.scale


@hypothesis_settings(deadline=None, max_examples=8)
@given(st.integers(0, 255), st.integers(1, 5))
def test_a_still_clip_stays_still(level: int, count: int) -> None:
    torch.manual_seed(0)
    upscaler = on_device(compact_network(2), 2, exact_cpu())
    frame = np.full((19, 23, 3), level, np.uint8)
    frame[3:9, 5:11] = 255 - level
    made = list(upscale_frames(upscaler, [frame] * count, 2))
    assert len(made) == count and all(np.array_equal(made[0], other) for other in made)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8)
