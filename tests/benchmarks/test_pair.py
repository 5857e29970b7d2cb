"""`bench pair`: every row is there, and equal clips are as good as can be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pair, pair_rate
from tests.upscale.test_interpolate import scene


def test_every_row_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.stack([scene(20 + 2 * i, 30, 96, 128) for i in range(2)])
    monkeypatch.setattr(pair, "held_out", lambda clips: [clip])
    monkeypatch.setattr(pair_rate, "run", lambda clips: iter(()))
    rows = list(pair.run(tmp_path, clips=1, steps=1))
    assert [(row.unit, row.better) for row in rows] == [("dB", "higher")] * 3 + [("flicker", "lower")] * 4
    assert all(math.isfinite(row.ratio) and row.value > 0 for row in rows)


def test_a_clip_that_is_equal_is_as_good_as_can_be() -> None:
    frames = np.full((2, 8, 8, 3), 9, np.uint8)
    assert pair.psnr([frames], [frames]) > 90
    assert math.isclose(pair.psnr([frames + np.uint8(1)], [frames]), 48.13, abs_tol=0.01)
    assert pair.shrunk(frames).shape == (2, 2, 2, 3)


def test_frames_between_are_compared_with_the_true_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.zeros((5, 32, 32, 3), np.uint8)
    for i, frame in enumerate(clip):
        frame[8:20, 2 + 3 * i : 12 + 3 * i] = (200, 180, 40)
    monkeypatch.setattr(pair_rate, "held_out", lambda clips, side: [clip])
    rows = list(pair_rate.run(1))
    assert [row.case for row in rows] == ["tsr 128 px"] * 4 + ["tsr 512 px"] * 4
    names = [row.baseline.split(",")[0] for row in rows[:4]]
    assert names == ["its image network", "flow", "blend of neighbours", "frames shown again"]
    flow, blend, again = (row.baseline_value for row in rows[1:4])
    assert flow > blend > again and math.isclose(again, pair_rate.psnr(clip[:3:2], clip[1::2]))
    assert rows[0].value > blend
