import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffscaler.datasets import manifest as stored
from diffscaler.datasets.edits import caption_shot, leave_out, set_thresholds
from diffscaler.datasets.selection import Thresholds
from tests.training.data.draw import clip, frames_folder, page, scene, travelling
from training.data.manifest import frames_of, read_manifest
from training.data.options import Options
from training.data.prepare import prepare
from training.data.reporting import Report
from training.events import EventLog, RunError, Stopped

REPOSITORY = Path(__file__).resolve().parents[3]


def prepared(folder: Path, dataset: Path, stopped=lambda: False, workers: int = 2):
    return prepare(folder, dataset, Options(), Report(EventLog(dataset / "events.jsonl")), stopped, workers)


def frames_in(path: Path) -> np.ndarray:
    from diffscaler.video.reader import read_frames

    return np.concatenate([chunk.frames for chunk in read_frames(path, 0, 8)])


def events(dataset: Path) -> list[dict]:
    return [json.loads(line) for line in (dataset / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Two captioned clips, one of two shots."""
    folder = tmp_path / "footage"
    folder.mkdir()
    clip(folder / "a.mp4", np.concatenate([scene((200, 60, 50), 1, 14), scene((40, 90, 200), 2, 14)]), "red, then blue")
    clip(folder / "b.mp4", travelling(3, 16, 2.0), "a cloud moves")
    return folder


def test_a_trainer_reads_the_shots_that_are_kept_with_their_captions_and_frames(tmp_path, footage):
    made = prepared(footage, tmp_path / "set")
    assert made.complete and ".txt" in made.layout
    data = read_manifest(tmp_path / "set")
    assert [(item.path.name, item.start, item.stop) for item in data] == [
        ("a.mp4", 0, 14), ("a.mp4", 14, 28), ("b.mp4", 0, 16),
    ]  # fmt: skip
    assert data[1].captions == ("red, then blue",) and (data[1].width, data[1].height, data[1].fps) == (160, 90, 24)
    frames = np.stack(list(frames_of(data[1])))
    assert frames.shape == (14, 90, 160, 3) and frames[..., 2].mean() > frames[..., 0].mean() + 40
    assert np.array_equal(np.stack(list(frames_of(data[1], 3, 2))), frames[3:5])
    assert (tmp_path / "set" / "pictures" / next(made.shots())[1].thumbnail).stat().st_size > 500


def test_the_shots_of_a_file_and_its_copies_are_all_learnt_or_all_held_out(tmp_path, footage):
    from tests.video.make import video
    from training.finetune.sources import held_out_of

    for number in range(3):
        parts = [scene((60 + 60 * i, 200 - 50 * i, 40 + 50 * number), 10 + 5 * number + i, 14) for i in range(3)]
        clip(footage / f"long{number}.mp4", np.concatenate(parts), f"three scenes, {number}")
    (footage / "again.mp4").write_bytes((footage / "long0.mp4").read_bytes())
    (footage / "again.txt").write_text("a copy")
    video(footage / "rough.mp4", frames_in(footage / "long1.mp4"), crf="34")
    (footage / "rough.txt").write_text("saved again")
    prepared(footage, tmp_path / "set")
    set_thresholds(tmp_path / "set", Thresholds(duplicates=True))
    items = list(read_manifest(tmp_path / "set"))
    learnt, apart = held_out_of(items, 2)
    same = {"again.mp4": "long0.mp4", "rough.mp4": "long1.mp4"}
    sides = [{same.get(item.path.name, item.path.name) for item in side} for side in (learnt, apart)]
    assert sides[0].isdisjoint(sides[1]) and len(sides[1]) == 2 and len(learnt) + len(apart) == len(items)


def test_frames_stand_in_the_order_people_count(tmp_path):
    frames = np.stack([np.full((40, 60, 3), 60 + 8 * i, np.uint8) for i in range(12)])
    frames[:, 10:20, 10:20] = 0
    frames_folder(tmp_path / "footage" / "clip", frames, "it gets lighter")
    prepared(tmp_path / "footage", tmp_path / "set")
    (item,) = stored.read(tmp_path / "set").clips
    set_thresholds(tmp_path / "set", Thresholds(stills=True))
    shown = [frame[30, 40, 0] for frame in frames_of(read_manifest(tmp_path / "set")[0])]
    assert shown == [60 + 8 * i for i in range(12)] and item.num_frames == 12


def test_whatever_is_broken_is_listed_and_stops_nothing(tmp_path, footage):
    (footage / "text.mp4").write_bytes(b"no film at all")
    (footage / "empty.mp4").write_bytes(b"")
    whole = (footage / "b.mp4").read_bytes()
    (footage / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    frames_folder(footage / "frames", travelling(9, 5, 2.0), "five frames")
    (footage / "frames" / "frame3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    frames_folder(footage / "long", travelling(10, 31, 2.0))
    made = prepared(footage, tmp_path / "set")
    assert [Path(one.path).name for one in made.clips] == ["a.mp4", "b.mp4", "long"]
    assert {fault.where for fault in made.faults} == {"text.mp4", "empty.mp4", "cut.mp4", "frames"}
    said = {fault.where: fault.sentence for fault in made.faults}
    assert "frame3.png" in said["frames"] and "0 bytes" in said["empty.mp4"] and "text" in said["text.mp4"]
    with pytest.raises(RunError, match=r"1 of 4 shots of set have no caption, the first in long"):
        read_manifest(tmp_path / "set")
    assert [item.num_frames for item in read_manifest(tmp_path / "set", captions_needed=False)] == [14, 14, 16, 31]


def test_the_same_footage_saved_again_is_found_and_the_larger_one_stands(tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    large = travelling(3, 16, 4.0, (320, 180), grain=5)
    import cv2

    small = np.stack([cv2.resize(frame, (160, 90), interpolation=cv2.INTER_AREA) for frame in large])
    from tests.video.make import video

    video(folder / "a_small.mp4", small, crf="34")
    clip(folder / "b_large.mp4", large)
    (folder / "c_copy.mp4").write_bytes((folder / "b_large.mp4").read_bytes())
    clip(folder / "d_other.mp4", travelling(4, 16, 4.0, (320, 180), grain=5))
    red_for_blue = large[..., ::-1]
    clip(folder / "e_other_colours.mp4", np.ascontiguousarray(red_for_blue))
    made = prepared(folder, tmp_path / "set")
    first = next(shot.key for one, shot in made.shots() if one.path.endswith("b_large.mp4"))
    assert {Path(one.path).name: shot.duplicate_of for one, shot in made.shots()} == {
        "a_small.mp4": first, "b_large.mp4": "", "c_copy.mp4": first, "d_other.mp4": "", "e_other_colours.mp4": "",
    }  # fmt: skip
    assert read_manifest(tmp_path / "set", captions_needed=False).left_out == {"seen before": 2}


def test_captions_and_decisions_outlive_new_preparing_and_only_what_changed_is_measured(tmp_path, footage, monkeypatch):
    dataset = tmp_path / "set"
    before = prepared(footage, dataset)
    keys = [shot.key for _, shot in before.shots()]
    caption_shot(dataset, keys[1], "all blue\nnothing but blue")
    leave_out(dataset, keys[0], True)
    set_thresholds(dataset, Thresholds(motion_max=50.0))
    texts = {file.name: file.read_bytes() for file in footage.iterdir()}

    measured_anew = []
    from training.data import prepare as module

    real = module.measured
    monkeypatch.setattr(module, "measured", lambda path, *rest: (measured_anew.append(path.name), real(path, *rest))[1])
    (footage / "a.mp4").rename(footage / "renamed.mp4")
    (footage / "a.txt").rename(footage / "renamed.txt")
    clip(footage / "b.mp4", travelling(8, 16, 2.0), "another cloud")
    after = prepared(footage, dataset)
    assert measured_anew == ["b.mp4"]
    shots = {shot.key: (one, shot) for one, shot in after.shots()}
    assert shots[keys[1]][0].captions_of(shots[keys[1]][1]) == ("all blue", "nothing but blue")
    assert shots[keys[0]][1].left_out and after.thresholds.motion_max == 50.0 and keys[2] not in shots
    assert [item.captions for item in read_manifest(dataset)] == [("another cloud",), ("all blue", "nothing but blue")]

    # A disk that is not plugged in today takes nothing with it.
    moved = footage.parent / "elsewhere.mp4"
    (footage / "renamed.mp4").rename(moved)
    assert keys[1] not in {shot.key for _, shot in prepared(footage, dataset).shots()}
    moved.rename(footage / "renamed.mp4")
    again = {shot.key: shot for _, shot in prepared(footage, dataset).shots()}
    assert again[keys[1]].captions == ("all blue", "nothing but blue") and again[keys[0]].left_out
    assert measured_anew == ["b.mp4"] and (footage / "renamed.mp4").read_bytes() == texts["a.mp4"]


def test_a_new_preparing_takes_changes_in_even_where_the_manifest_is_damaged(tmp_path, footage):
    dataset = tmp_path / "set"
    keys = [shot.key for _, shot in prepared(footage, dataset).shots()]
    caption_shot(dataset, keys[1], "all blue")
    prepared(footage, dataset)
    assert not (dataset / "edits.jsonl").exists()
    leave_out(dataset, keys[0], True)
    (dataset / "manifest.jsonl").write_bytes(b"{}")
    prepared(footage, dataset)
    assert next(stored.read_written(dataset).shots())[1].left_out


def test_the_digest_follows_what_is_learnt_and_not_where_it_lies(tmp_path, footage):
    dataset = tmp_path / "set"
    prepared(footage, dataset)
    first = read_manifest(dataset).digest
    footage.rename(tmp_path / "moved")
    prepared(tmp_path / "moved", dataset)
    assert read_manifest(dataset).digest == first
    caption_shot(dataset, read_manifest(dataset)[0].key, "something else")
    assert read_manifest(dataset).digest != first


def test_stop_keeps_what_is_done_and_the_next_preparing_goes_on(tmp_path):
    folder = tmp_path / "footage"
    for i in range(6):
        frames_folder(folder / f"clip{i}", travelling(i, 6, 2.0), f"clip {i}")
    asked = threading.Event()
    log = Report(EventLog(tmp_path / "set" / "events.jsonl"))
    told = log.clip
    log.clip = lambda made, last: (told(made, last), asked.set() if log.done == 2 else None)  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        prepare(folder, tmp_path / "set", Options(), log, asked.is_set, 1)
    part = stored.read(tmp_path / "set")
    assert not part.complete and 2 <= len(part.clips) < 6
    assert read_manifest(tmp_path / "set").complete is False
    lines = len((tmp_path / "set" / "measured.jsonl").read_text().splitlines())
    whole = prepared(folder, tmp_path / "set")
    assert whole.complete and len(whole.clips) == 6 and lines == len(part.clips)
    assert len((tmp_path / "set" / "measured.jsonl").read_text().splitlines()) == 6, "what was measured was kept"


KILLED_WHILE_WRITING_THE_THIRD = """
import os, signal, sys
from training.data.journal import Journal
from training.data import command

append = Journal._append
count = 0
def dying(self, data):
    global count
    count += 1
    append(self, data if count < 3 else data[: len(data) // 2])
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
Journal._append = dying
sys.exit(command.main(sys.argv[1:]))
"""


def test_a_killed_preparing_leaves_a_whole_manifest_and_goes_on(tmp_path):
    folder, dataset = tmp_path / "footage", tmp_path / "set"
    frames_folder(folder / "clip0", travelling(0, 6, 2.0), "clip 0")
    before = prepared(folder, dataset)
    for i in range(1, 6):
        frames_folder(folder / f"clip{i}", travelling(i, 6, 2.0), f"clip {i}")
    arguments = [str(folder), "-o", str(dataset), "--workers", "1"]
    died = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING_THE_THIRD, *arguments], cwd=REPOSITORY, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert stored.read(dataset) == before
    journal = (dataset / "measured.jsonl").read_bytes()
    assert journal.count(b"\n") == 3 and not journal.endswith(b"\n")
    after = prepared(folder, dataset)
    assert after.complete and len(after.clips) == 6 and not list(dataset.rglob("*.part"))
    assert (dataset / "measured.jsonl").read_bytes().startswith(journal), "what was measured was kept"


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"format": "diffscaler-dataset", "version": 1}\n[1]\n',
                                    b'{"format": "diffscaler-dataset", "version": 99}', b"\xff\xfe\x00"])  # fmt: skip
def test_a_damaged_manifest_is_a_sentence(tmp_path, damage):
    (tmp_path / "manifest.jsonl").write_bytes(damage)
    with pytest.raises(RunError) as caught:
        read_manifest(tmp_path)
    assert caught.value.hint


def test_a_manifest_is_read_as_it_was_written_with_any_letters(tmp_path, footage):
    made = prepared(footage, tmp_path / "set")
    odd = replace(made.clips[0], captions=("two\u2028lines", "\x85", "🎬 Köln"), path="/tmp/ü\n.mp4")
    stored.write(tmp_path / "set", replace(made, clips=(odd,)))
    assert stored.read(tmp_path / "set").clips == (odd,)


def test_a_data_set_of_a_studio_that_had_other_scores_is_still_read(tmp_path, footage):
    made = prepared(footage, tmp_path / "set")
    file = tmp_path / "set" / "manifest.jsonl"
    head, *rows = [json.loads(line) for line in file.read_text().splitlines()]
    del head["scorers"], head["thresholds"]["clip_min"], head["thresholds"]["aesthetics_min"]
    head |= {"missing": ["beauty"], "thresholds": head["thresholds"] | {"beauty_min": 20.0, "motion_min": 0.2}}
    for row in rows:
        for shot in row["clip"]["shots"]:
            del shot["scores"]["clip"], shot["scores"]["aesthetics"]
            shot["scores"] |= {"beauty": 4.5}
    file.write_text("".join(json.dumps(row) + "\n" for row in [head, *rows]))
    read = stored.read(tmp_path / "set")
    assert read.clips == made.clips and read.thresholds == replace(made.thresholds, motion_min=0.2)


def test_the_command_says_what_it_found(tmp_path, footage):
    clip(footage / "page.mp4", np.repeat(page()[None], 12, 0))
    (footage / "bad.gif").write_bytes(b"GIF89a")
    command = [sys.executable, "-m", "training", "prepare", str(footage), "-o", str(tmp_path / "set")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 clips" in done.stdout and "4 shots, 3 kept" in done.stdout and "1 left out: writing" in done.stdout
    assert "bad.gif" in done.stdout and "not measured" not in done.stdout
    assert [event["event"] for event in events(tmp_path / "set")][::3][:1] == ["found"]
    gone = subprocess.run(
        [*command[:4], str(tmp_path / "x"), *command[5:]], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert gone.returncode == 1 and "There is no folder" in gone.stderr and "Traceback" not in gone.stderr


def test_a_full_disk_ends_the_preparing_at_a_shots_strip_too(tmp_path, footage, monkeypatch):
    from diffscaler.errors import NotEnoughRoom
    from training.data import measure

    def full(source, target):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(measure.os, "replace", full)
        with pytest.raises(NotEnoughRoom, match="disk is full"):
            prepared(footage, tmp_path / "set")
    assert not list((tmp_path / "set").rglob("*.part"))
    assert prepared(footage, tmp_path / "set").faults == ()


def test_two_workers_may_write_the_strip_of_one_shot_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from training.data.measure import save_strip

    frames, path = tuple(travelling(3, 4, 2.0, (640, 360))), tmp_path / "strip.jpg"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: save_strip(frames, path), range(64)))
    assert [file.name for file in tmp_path.iterdir()] == ["strip.jpg"] and path.stat().st_size > 500


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path, footage, monkeypatch):
    from diffscaler.errors import NotEnoughRoom
    from training.data.journal import Journal

    before = prepared(footage, tmp_path / "set")
    clip(footage / "c.mp4", travelling(7, 12, 2.0), "new")

    def full(self, data):
        from diffscaler.library.files import room_for

        with room_for("the scores"):
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Journal, "_append", full)
    with pytest.raises(NotEnoughRoom, match="disk is full"):
        prepared(footage, tmp_path / "set")
    assert stored.read(tmp_path / "set") == before
