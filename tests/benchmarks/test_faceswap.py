"""`bench faceswap`: every row is there with very small networks, and both loops do their work."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import faceswap
from benchmarks.face_files import TINY, Size, save_files
from benchmarks.face_loops import Theirs, bgr, clip

SIZE = Size(8, 1, dict.fromkeys(("w600k_r50", "1k3d68", "2d106det", "genderage"), (8, 1)))


@pytest.mark.slow
def test_every_row_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FRAMES": 2, "ROUNDS": 1, "SMALL": SIZE, "SHORT": 2}.items():
        monkeypatch.setattr(faceswap, name, value)
    rows = {result.case.strip(): result for result in faceswap.run(tmp_path, longest=4)}
    networks = [*faceswap.NETWORKS]
    assert list(rows) == [
        "faceswap", "processor", *networks, "around", "swap share", "swap alike", "two faces", "swap memory"
    ]  # fmt: skip
    assert all(math.isfinite(row.ratio) and row.baseline_value > 0 for row in rows.values())
    assert [name for name, row in rows.items() if row.value == 0] == ["landmarks", "gender and age"]
    assert rows["swap alike"].value > 45


def test_insightface_finds_the_face_with_the_file_and_changes_it(tmp_path: Path) -> None:
    save_files(tmp_path, SIZE)
    assert set(TINY.others) < set(SIZE.others)
    theirs, frames = Theirs(tmp_path), bgr(clip(1, 2))
    faces = theirs.app.get(frames[0])
    assert len(faces) == 2 and all(
        len(face.embedding) == 512 and face.landmark_2d_106.shape == (106, 2) for face in faces
    )
    (made,) = theirs.run(frames)
    changed = (made != frames[0]).any(2)
    for face in faces:
        x, y = face.kps[2].astype(int)
        assert changed[y - 20 : y + 20, x - 20 : x + 20].mean() > 0.5
    assert not changed[600:].any() and set(theirs.spent.calls) == set(faceswap.NETWORKS)
