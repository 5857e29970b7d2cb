"""`bench upscale`: every row is there with very small networks, and both upscalers give the same pictures."""

from __future__ import annotations

from pathlib import Path

from benchmarks.upscale import Kind, run


def test_every_row_is_there_and_the_pictures_are_the_same(tmp_path: Path) -> None:
    kinds = (Kind("c", "compact", 4, 2, 18, 20, 32), Kind("r", "rrdb", 2, 1, 16, 22, 32))
    rows = list(run(tmp_path, kinds, frames=2, rounds=1))
    assert [row.unit for row in rows] == ["frames/s", "frames/CPU s", "dB", "GFLOP/s"] * 2
    assert all(row.value > 50 for row in rows if row.unit == "dB")
