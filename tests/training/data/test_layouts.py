import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.data.layouts.detect import read_layout
from training.data.layouts.lines import read_lines
from training.data.layouts.msrvtt import read_msrvtt
from training.data.layouts.table import read_table
from training.events import RunError


def touch(root: Path, *names: str) -> None:
    """Files that only have to be there: a layout is read without opening its clips."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"-")


def told(listing) -> dict[str, tuple[str, ...]]:
    return {entry.path.name: entry.captions for entry in listing.entries}


def test_folders_of_frames_with_prompts_in_the_order_people_count(tmp_path):
    for i in (10, 2, 1):
        touch(tmp_path, f"shot{i}/frame1.png", f"shot{i}/frame2.png")
        (tmp_path / f"shot{i}" / "prompt.txt").write_text(f"shot {i}\n")
    listing = read_layout(tmp_path)
    assert "folders of frames" in listing.layout and not listing.faults
    assert list(told(listing).items()) == [("shot1", ("shot 1",)), ("shot2", ("shot 2",)), ("shot10", ("shot 10",))]


def test_clips_with_a_text_beside_each_whatever_their_kind(tmp_path):
    for kind in ("gif", "mp4", "mkv", "mov", "webm"):
        touch(tmp_path, f"{kind}.{kind}")
        (tmp_path / f"{kind}.txt").write_text(f"a {kind}")
    touch(tmp_path, "mute.mp4", "still.png", "notes.md", ".hidden.mp4")
    (tmp_path / "still.txt").write_text("a picture")
    listing = read_layout(tmp_path)
    assert ".txt" in listing.layout and told(listing)["webm.webm"] == ("a webm",)
    assert (
        told(listing)["mute.mp4"] == () and told(listing)["still.png"] == ("a picture",) and len(listing.entries) == 7
    )


def test_a_text_in_another_encoding_is_told_and_its_clip_stays(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "a.txt").write_bytes("schön".encode("latin-1"))
    (tmp_path / "b.txt").write_text("fine")
    listing = read_layout(tmp_path)
    assert told(listing) == {"a.mp4": (), "b.mp4": ("fine",)}
    assert [fault.where for fault in listing.faults] == ["a.txt"] and "UTF-8" in listing.faults[0].sentence


def test_webvids_table_finds_clips_by_id_and_page(tmp_path):
    touch(tmp_path, "videos/p1/7.mp4", "videos/p2/7.mp4", "videos/p2/8.mp4")
    (tmp_path / "results.csv").write_text(
        "videoid,contentUrl,duration,page_dir,name\n"
        '7,https://x/7.mp4,PT1S,p2,"A dog, running\nfast"\n'
        "9,https://x/9.mp4,PT1S,p2,gone\n"
        "8,https://x/8.mp4,PT1S,p2,\n"
    )
    listing = read_layout(tmp_path)
    assert "WebVid" in listing.layout
    assert [(entry.path.parent.name, entry.captions) for entry in listing.entries] == [
        ("p2", ("A dog, running fast",)),
        ("p2", ()),
    ]
    assert [fault.where for fault in listing.faults] == ["results.csv, line 4", "results.csv, line 5"]
    assert "no clip 9" in listing.faults[0].sentence and "no caption" in listing.faults[1].sentence


def test_msrvtts_sentences_are_all_kept(tmp_path):
    touch(tmp_path, "TrainValVideo/video0.mp4", "TrainValVideo/video1.mp4")
    said = [("video0", "a car drives"), ("video1", "a man sings"), ("video0", "a red car"), ("video0", "a car drives")]
    data = {
        "videos": [{"video_id": "video0", "start time": 1.0}, {"video_id": "video2"}],
        "sentences": [{"video_id": video, "caption": caption} for video, caption in said],
    }
    (tmp_path / "videodatainfo.json").write_text(json.dumps(data))
    listing = read_layout(tmp_path)
    assert "MSR-VTT" in listing.layout
    assert told(listing) == {"video0.mp4": ("a car drives", "a red car"), "video1.mp4": ("a man sings",)}
    assert [fault.where for fault in listing.faults] == ["videodatainfo.json, video2"]


@pytest.mark.parametrize("file", ["file", "path", "video", "file_name"])
@pytest.mark.parametrize("caption", ["caption", "text"])
def test_json_lines_by_any_of_their_usual_names(tmp_path, file, caption):
    touch(tmp_path, "clips/a.mp4", "b.mp4")
    rows = [
        json.dumps({file: "clips/a.mp4", caption: "a cat"}),
        "{broken",
        json.dumps({file: "b", caption: ["x", "y"]}),
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(rows) + "\n")
    listing = read_layout(tmp_path)
    assert "JSON Lines" in listing.layout and told(listing) == {"a.mp4": ("a cat",), "b.mp4": ("x", "y")}
    assert [fault.where for fault in listing.faults] == ["captions.jsonl, line 2"]


def test_bare_footage_is_found_in_all_its_folders(tmp_path):
    touch(tmp_path, "day2/B.MOV", "day10/A.MOV", "poster.jpg", "day2/poster.jpg")
    listing = read_layout(tmp_path)
    assert "without captions" in listing.layout
    assert [entry.where for entry in listing.entries if entry.path.suffix == ".MOV"] == ["day2/B.MOV", "day10/A.MOV"]


def test_a_list_of_captions_or_one_clip_can_be_named_itself(tmp_path):
    touch(tmp_path, "a.mp4")
    (tmp_path / "list.jsonl").write_text('{"file": "a.mp4", "caption": "x"}')
    assert told(read_layout(tmp_path / "list.jsonl")) == told(read_layout(tmp_path)) == {"a.mp4": ("x",)}
    assert told(read_layout(tmp_path / "a.mp4")) == {"a.mp4": ()}


@pytest.mark.parametrize("make", [lambda p: p / "gone", lambda p: p, lambda p: (touch(p, "a.pdf"), p / "a.pdf")[1]])
def test_nothing_to_prepare_is_a_sentence_with_a_hint(tmp_path, make):
    with pytest.raises(RunError) as caught:
        read_layout(make(tmp_path))
    assert caught.value.hint


#: Pieces of the real thing, so that chance reaches past the first line.
PIECES = st.sampled_from(
    [b'{"file": "a.mp4", "caption": "x"}', b"videoid,name,page_dir\n", b"a,b,c\n", b'"', b"\\", b"\n", b"\r", b"[",
     b"{", b'{"videos": [], "sentences": [', b'{"video_id": "a", "caption": "x"}', b"]}", b"[" * 3000, b"\x00",
     b"\xff\xfe",
     b'{"file": "\\ud800", "caption": "\\udfff"}', b'{"file": 1e999}', b'{"file": "\\u0000"}', b"9" * 5000, b"a.mp4"]
)  # fmt: skip
BYTES = st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=12).map(b"".join)


@pytest.mark.parametrize("read, name", [(read_table, "t.csv"), (read_lines, "t.jsonl"), (read_msrvtt, "t.json")])
@given(data=BYTES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_become_clips_or_sentences(tmp_path, read, name, data):
    touch(tmp_path, "clips/a.mp4")
    (tmp_path / name).write_bytes(data)
    for listing in (read([tmp_path / name], tmp_path), read_if_fits(tmp_path / name)):
        for entry in listing.entries if listing else ():
            assert os.path.exists(entry.path)
            assert all(text.strip() and text.encode("utf-8") for text in entry.captions)
        for fault in listing.faults if listing else ():
            assert fault.sentence and fault.where.startswith(name)


def read_if_fits(path: Path):
    try:
        return read_layout(path)
    except RunError:
        return None
