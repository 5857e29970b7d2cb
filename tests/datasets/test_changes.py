"""Changes beside a manifest: cheap to write, seen by every reader, and lost by no crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from diffscaler.datasets import changes
from diffscaler.datasets import manifest as stored
from diffscaler.datasets.edits import caption_shot, edits_of, leave_out, set_thresholds
from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.selection import Thresholds
from diffscaler.datasets.shot import Clip, Edit, Scores, Shot
from diffscaler.errors import InvalidRequest
from training.data.manifest import read_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
SCORES = Scores(2.0, 1.0, 9.0, 100.0, 0.0, 0.5)


def clips(count: int) -> tuple[Clip, ...]:
    return tuple(
        Clip(f"/films/{i}.mp4", f"{i}.mp4", f"{i:064d}", 64, 48, 8.0, 16, ("its own",),
             (Shot(f"{i}-0", 0, 16, 0, 2.0, SCORES),))
        for i in range(count)
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of four shots."""
    stored.write(tmp_path / "set", Manifest("/films", "clips", complete=True, clips=clips(4)))
    return tmp_path / "set"


def test_an_edit_leaves_the_manifest_as_it_is_and_every_reader_sees_it(folder):
    file = folder / stored.NAME
    before = file.read_bytes(), file.stat().st_ino
    made = caption_shot(folder, "1-0", "a red car\na car")
    leave_out(folder, "2-0", True)
    set_thresholds(folder, Thresholds(motion_min=0.5))
    assert (file.read_bytes(), file.stat().st_ino) == before and (folder / changes.NAME).stat().st_size < 1000
    for path in (folder, file):
        read = stored.read(path)
        assert read.clips[1].shots[0].captions == ("a red car", "a car") and read.clips[2].shots[0].left_out
        assert read.thresholds == Thresholds(motion_min=0.5) and read.clips[0] == clips(1)[0]
    assert made.clips[1] == read.clips[1]
    data = read_manifest(folder)
    assert [item.captions for item in data] == [("its own",), ("a red car", "a car"), ("its own",)]
    assert data.digest == read.digest() != stored.read_written(folder).digest()
    assert set(edits_of(read)) == {"1-0", "2-0"}


def test_the_last_word_counts_and_an_empty_one_gives_back_the_clips_own(folder):
    caption_shot(folder, "1-0", "first")
    caption_shot(folder, "1-0", "second")
    leave_out(folder, "1-0", True)
    leave_out(folder, "1-0", False)
    assert stored.read(folder).clips[1].shots[0] == replace(clips(2)[1].shots[0], captions=("second",))
    for text in ("", " its  own "):
        caption_shot(folder, "1-0", "other")
        caption_shot(folder, "1-0", text)
        assert stored.read(folder) == stored.read_written(folder)


def test_writing_the_manifest_takes_the_changes_in(folder):
    caption_shot(folder, "1-0", "a red car")
    read = stored.read(folder)
    stored.write(folder, read)
    assert not (folder / changes.NAME).exists() and stored.read(folder) == stored.read_written(folder) == read


DYING = """
import os, signal, sys
from pathlib import Path
from diffscaler.datasets import manifest as stored
stored.forget_changes = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
stored.write(Path(sys.argv[1]), stored.read(Path(sys.argv[1])))
"""


def test_a_process_killed_before_it_removed_the_changes_it_wrote_loses_and_doubles_nothing(folder):
    caption_shot(folder, "1-0", "first")
    caption_shot(folder, "1-0", "a red car")
    leave_out(folder, "2-0", True)
    wanted = stored.read(folder)
    died = subprocess.run([sys.executable, "-c", DYING, str(folder)], cwd=REPOSITORY, check=False)
    assert died.returncode == -signal.SIGKILL and (folder / changes.NAME).exists()
    assert stored.read_written(folder) == wanted == stored.read(folder)
    caption_shot(folder, "1-0", "a blue car")
    assert stored.read(folder).clips[1].shots[0].captions == ("a blue car",)


@pytest.mark.parametrize("rest", [b'{"shot": "1-0", "capt', b"\xff", b'{"shot": "1-0", "captions": 3}', b"[]", b"null",
                                  b'{"thresholds": {"motion_min": "x"}}', b"7"])  # fmt: skip
def test_a_line_that_a_crash_cut_short_takes_no_other_with_it(folder, rest):
    caption_shot(folder, "1-0", "a red car")
    with (folder / changes.NAME).open("ab") as file:
        file.write(rest)
    assert stored.read(folder).clips[1].shots[0].captions == ("a red car",)
    leave_out(folder, "2-0", True)
    read = stored.read(folder)
    assert read.clips[1].shots[0].captions == ("a red car",) and read.clips[2].shots[0].left_out


def test_what_was_said_of_a_shot_that_is_gone_waits_for_it(folder):
    caption_shot(folder, "1-0", "a red car")
    leave_out(folder, "3-0", True)
    kept = (folder / changes.NAME).read_bytes()
    stored.write(folder, replace(stored.read_written(folder), clips=clips(1), edits={"3-0": Edit(("a dog",), False)}))
    (folder / changes.NAME).write_bytes(kept)
    assert stored.read(folder).edits == {"1-0": Edit(("a red car",), False), "3-0": Edit(("a dog",), True)}
    with pytest.raises(InvalidRequest, match="not in this data set"):
        caption_shot(folder, "1-0", "a red car")
    assert (folder / changes.NAME).read_bytes() == kept


def test_changes_of_several_people_at_once_are_all_there(folder):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: caption_shot(folder, f"{i % 4}-0", f"words {i}"), range(64)))
    lines = (folder / changes.NAME).read_text().splitlines()
    assert sorted(lines) == sorted(f'{{"shot": "{i % 4}-0", "captions": ["words {i}"]}}' for i in range(64))


def test_a_full_disk_is_a_sentence(folder, monkeypatch):
    from diffscaler.errors import NotEnoughRoom

    def full(number):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(changes.os, "fsync", full)
    with pytest.raises(NotEnoughRoom, match="disk is full"):
        caption_shot(folder, "1-0", "a red car")
