"""`bench faceswap`: every row is there with a very small network."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import faceswap


@pytest.mark.slow
def test_every_row_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FRAMES": 2, "CHANNELS": 8, "BLOCKS": 1, "SHORT": 2, "LONG": 4}.items():
        monkeypatch.setattr(faceswap, name, value)
    rows = {result.case: result for result in faceswap.run(tmp_path)}
    assert list(rows) == [
        "faceswap", "swap around", "swap alone", "swap share", "swap alike", "two faces", "swap memory"
    ]  # fmt: skip
    assert all(math.isfinite(row.ratio) and row.value > 0 and row.baseline_value > 0 for row in rows.values())
    assert rows["swap alike"].value > 45
