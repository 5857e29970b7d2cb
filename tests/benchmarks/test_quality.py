"""`bench quality`: what is measured as flicker is flicker, and every row is there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import quality
from diffscaler.errors import MediaError
from tests.upscale.test_interpolate import scene


def test_a_clip_that_only_moves_does_not_flicker_and_one_whose_light_changes_does() -> None:
    moving = np.stack([scene(20 + 3 * i, 30) for i in range(4)])
    dimmed = moving - np.uint8([0, 10, 0, 10])[:, None, None, None]
    moves, flickers = quality.flicker(moving, moving, dimmed)
    still = float(np.abs(moving[1:].astype(int) - moving[:-1]).mean())
    assert moves < still / 4
    assert 9 < flickers < 11


def test_every_row_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "FRAMES", 2)
    monkeypatch.setattr(quality, "make_clip", lambda path, frames, *_: quality_clip(path, frames))
    pairs = tmp_path / "tiny"
    pairs.mkdir()
    for scale in (2, 4):
        for name, factor in (("HR", scale), ("LR", 1)):
            picture = Image.fromarray(scene(30, 30)[:80, :120]).resize((30 * factor, 20 * factor))
            picture.save(pairs / f"a_x{scale}_{name}.png")
    rows = list(quality.run(tmp_path, (pairs,)))
    assert [row.case for row in rows] == ["tiny x2", "tiny x4", "made flicker", "made flicker"]
    assert all(math.isfinite(row.ratio) and row.value > 0 for row in rows)


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pairs"):
        next(quality.run(tmp_path, (tmp_path,)))


def quality_clip(path: Path, frames: int) -> Path:
    from tests.video.make import video

    return video(path, np.stack([scene(20 + 2 * i, 30, 96, 128) for i in range(frames)]))
