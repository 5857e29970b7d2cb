"""The command line end to end, with a real worker: what a person types, gets, and is told when it goes wrong."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler.settings import Settings
from diffscaler.video.probe import probe
from tests.jobs.test_worker import save_clip
from tests.text2video.tiny import save_tiny_animatediff
from tests.upscale.tiny import save_compact
from ui.commands import run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with tiny models, used by all tests of this file so that one worker serves them."""
    root = tmp_path_factory.mktemp("home")
    settings = Settings(data_dir=root / "data")
    save_tiny_animatediff(settings.models_dir / "tiny")
    save_compact(settings.models_dir / "upscalers" / "tinyup.pth")
    save_clip(root / "clip.mp4")
    from skimage import data

    Image.fromarray(data.astronaut()).save(root / "face.png")
    return root


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
    monkeypatch.setenv("DIFFSCALER_THREADS", "1")


TINY = ["--model", "tiny", "--width", "64", "--height", "64", "--frames", "4", "--steps", "2", "--guidance", "3"]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_prompt_face_and_upscale_in_one_command_and_a_change_of_scale_reruns_only_that(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", "a cat sleeping on a road", *TINY, "--seed", "1", "--face", str(home / "face.png")]
    words += ["--upscaler", "tinyup", "--consent", "Eileen, 2026-11-20", "--json"]
    assert run([*words, "--upscale", "4", "-o", str(home / "x4.mp4")]) == 0
    first = events(capsys.readouterr().out)
    info = probe(home / "x4.mp4")
    assert (info.width, info.height, info.num_frames, info.codec) == (256, 256, 4, "h264")
    assert info.manifest is not None
    assert info.manifest["prompt"] == "a cat sleeping on a road" and info.manifest["seed"] == "1"
    assert info.manifest["consent"] == "Eileen, 2026-11-20"
    assert any("preview engine" in note for note in info.manifest["notes"])
    assert first[0]["state"] == "planned" and first[0]["ready"] == 0 and first[0]["disk_bytes"] > 0
    assert first[-1]["state"] == "written" and any("text" in row.get("progress", {}) for row in first)

    assert run([*words, "--upscale", "2", "-o", str(home / "x2.mp4")]) == 0
    second = events(capsys.readouterr().out)
    assert probe(home / "x2.mp4").width == 128
    stages = {row["progress"]["stage"] for row in second if "progress" in row}
    assert stages <= {"upscale", "encode"}, "the earlier stages come from the library"


def test_a_dry_run_says_what_it_will_take_and_makes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from diffscaler.jobs.lanes import holder_of
    from diffscaler.models.fit import Room
    from diffscaler.settings import read_settings
    from diffscaler.studio import Studio

    words = ["generate", "a dog", *TINY, "--seed", "77", "--dry-run", "-o", str(home / "dry.mp4")]
    studio = Studio(read_settings())
    studio.queue.room_seen(holder_of(studio.settings, "device"), Room("cpu", "float32", 100 * 2**20))
    jobs = len(studio.queue.list())
    assert run([*words, "--json"]) == 0
    (row,) = events(capsys.readouterr().out)
    assert row["state"] == "planned" and row["steps"] == 4 and row["seconds"] > 0
    assert row["memory_bytes"] > 100 * 2**20 and "tiled decoding" in row["to_fit"]
    assert run(words) == 0
    said = capsys.readouterr().err
    assert "Memory: about" in said and "To fit, pictures are decoded in tiles" in said
    assert not (home / "dry.mp4").exists() and len(studio.queue.list()) == jobs


def test_the_same_seed_gives_the_same_bytes_and_no_seed_another_clip(home: Path) -> None:
    for name, seed in (("a", ["--seed", "5"]), ("b", ["--seed", "5"]), ("c", []), ("d", [])):
        assert run(["generate", "a dog", *TINY, *seed, "-o", str(home / f"{name}.mp4")]) == 0
    data = {name: (home / f"{name}.mp4").read_bytes() for name in "abcd"}
    assert data["a"] == data["b"] and len(set(data.values())) == 3


def test_a_picture_in_is_a_picture_out(home: Path) -> None:
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (9, 13, 3), np.uint8)).save(home / "still.png")
    command = ["upscale", str(home / "still.png"), "--scale", "4", "--upscaler", "tinyup"]
    assert run([*command, "-o", str(home / "still4.png")]) == 0
    with Image.open(home / "still4.png") as picture:
        assert picture.size == (52, 36)


def test_swap_on_a_clip_without_faces_says_so_and_keeps_sound_and_length(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["swap", str(home / "clip.mp4"), "--face", str(home / "face.png"), "-o", str(home / "s.mp4")]) == 0
    before, after = probe(home / "clip.mp4"), probe(home / "s.mp4")
    assert after.num_frames == before.num_frames and len(after.audio) == 1
    assert abs(after.duration_s - before.duration_s) < 0.001
    assert "No face was found in frames 0-159" in capsys.readouterr().out


def test_a_higher_frame_rate_keeps_length_and_sound(home: Path) -> None:
    from tests.video.make import all_frames

    save_clip(home / "short.mp4", 6)
    command = ["upscale", str(home / "short.mp4"), "--scale", "1", "--fps-times", "2", "--encoding", "h264"]
    assert run([*command, "--quality", "0", "-o", str(home / "smooth.mp4")]) == 0
    before, after = probe(home / "short.mp4"), probe(home / "smooth.mp4")
    assert (after.num_frames, after.fps) == (12, 60) and after.duration_s == pytest.approx(before.duration_s, abs=1e-3)
    assert sound_packets(home / "smooth.mp4") == sound_packets(home / "short.mp4")
    old, new = all_frames(home / "short.mp4"), all_frames(home / "smooth.mp4")
    assert np.abs(new[::2].astype(int) - old).mean() < 2  # what colour conversion for the file costs
    manifest = after.manifest
    assert manifest is not None and "interpolate" in str(manifest["plan"])


def test_a_trial_is_the_part_asked_for_and_silent(home: Path) -> None:
    save_clip(home / "short.mp4", 6)
    command = ["upscale", str(home / "short.mp4"), "--scale", "2", "--upscaler", "tinyup", "--from", "0.1"]
    assert run([*command, "--region", "8,8,32,16", "-o", str(home / "part.mp4")]) == 0
    part = probe(home / "part.mp4")
    assert (part.width, part.height, part.num_frames, len(part.audio)) == (64, 32, 3, 0)


def sound_packets(path: Path) -> list[tuple[int | None, bytes]]:
    import av

    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def test_a_clip_made_here_keeps_its_story_through_the_next_stage(home: Path) -> None:
    assert run(["generate", "a red boat", *TINY, "--seed", "9", "-o", str(home / "boat.mp4")]) == 0
    command = ["upscale", str(home / "boat.mp4"), "--scale", "2", "--upscaler", "tinyup"]
    assert run([*command, "-o", str(home / "boat2.mp4")]) == 0
    manifest = probe(home / "boat2.mp4").manifest
    assert manifest is not None
    (source,) = manifest["sources"].values()
    assert source["manifest"]["prompt"] == "a red boat"


def test_library_lists_shows_and_removes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", "a lonely tree", *TINY, "--seed", "3", "-o", str(home / "t.mp4")]) == 0
    capsys.readouterr()
    assert run(["library", "list", "--json"]) == 0
    rows = events(capsys.readouterr().out)
    (row,) = [row for row in rows if row["title"] == "a lonely tree"]
    assert row["request"]["seed"] == 3
    assert run(["library", "show", row["key"][:10]]) == 0
    assert json.loads(capsys.readouterr().out)["plan"][-1]["stage"] == "encode"
    assert run(["library", "rm", row["key"]]) == 0
    assert run(["library", "show", row["key"]]) == 1


def bad_png(path: Path, width: int, height: int) -> None:
    """A picture whose header promises width x height pixels."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", zlib.compress(b"")) + block(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["generate", "", "-o", "x.mp4"], "The prompt is empty."),
        (["generate", "   ", "-o", "x.mp4"], "The prompt is empty."),
        (["generate", "dog " * 1250, "-o", "x.mp4"], "The prompt is too long."),
        (["generate", "a dog", "--model", "nope", "-o", "x.mp4"], "no model called 'nope'"),
        (["generate", "a dog", "--model", "tiny", "--width", "63", "-o", "x.mp4"], "width = 63"),
        (["generate", "a dog", "--model", "tiny", "--face", "nobody.jpg", "-o", "x.mp4"], "nobody.jpg"),
        (["generate", "a dog", "--model", "tiny", "--face", "clip.mp4", "-o", "x.mp4"], "not a photo"),
        (["generate", "a dog", "--preset", "nope", "-o", "x.mp4"], "no preset 'nope'"),
        (["generate", "a dog", "--model", "tiny", "-o", "no/such/folder/x.mp4"], "no folder"),
        (["generate", "a dog", "--model", "tiny", "-o", "x.png"], "will be a .mp4 file"),
        (["generate", "a dog", "--model", "tiny", "-o", "data"], "is a folder"),
        (["generate", "a dog", "--model", "tiny", "--quality", "9", "-o", "x.mov"], "one quality only"),
        (["upscale", "missing.mp4", "-o", "x.mp4"], "missing.mp4"),
        (["upscale", "text.mp4", "-o", "x.mp4"], "text.mp4"),
        (["upscale", "empty.mp4", "-o", "x.mp4"], "empty.mp4"),
        (["upscale", "huge.png", "-o", "x.png"], "huge.png"),
        (["upscale", "deadbeef", "-o", "x.png"], "no clip deadbeef"),
        (["upscale", "wide.png", "--scale", "4", "--upscaler", "tinyup", "-o", "x.png"], "limit"),
    ],
)
def test_bad_input_gets_a_sentence_and_a_hint_and_writes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], sentence: str
) -> None:
    monkeypatch.chdir(home)
    (home / "text.mp4").write_text("INT. KITCHEN - DAY\n" * 40)
    (home / "empty.mp4").write_bytes(b"")
    bad_png(home / "huge.png", 20_000, 20_000)
    Image.new("RGB", (5000, 2)).save(home / "wide.png")
    before = sorted(path.name for path in home.iterdir())
    assert run(command) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert sentence in lines[0] and len(lines) == 2, lines
    assert "Traceback" not in "".join(lines)
    assert sorted(path.name for path in home.iterdir()) == before


def test_usage_errors_exit_with_two() -> None:
    for command in (["generate"], ["upscale", "x.mp4", "--scale", "3", "-o", "y.mp4"], ["nonsense"]):
        with pytest.raises(SystemExit) as error:
            run(command)
        assert error.value.code == 2


def test_a_photo_without_a_face_is_told_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (200, 200), (90, 120, 160)).save(home / "sky.png")
    assert run(["swap", str(home / "clip.mp4"), "--face", str(home / "sky.png"), "-o", str(home / "no.mp4")]) == 1
    sentence, hint = capsys.readouterr().err.strip().splitlines()[-2:]
    assert sentence == "No face was found in the photo sky.png." and hint
    assert not (home / "no.mp4").exists()


def test_takes_are_the_same_shot_with_seeds_that_follow_each_other(home: Path) -> None:
    assert run(["generate", "a dog", *TINY, "--seed", "7", "--takes", "3", "-o", str(home / "take.mp4")]) == 0
    manifests = [probe(home / name).manifest for name in ("take.mp4", "take-2.mp4", "take-3.mp4")]
    assert [manifest["seed"] if manifest else None for manifest in manifests] == ["7", "8", "9"]


def test_a_model_that_drew_here_says_how_fast(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", "a cat", *TINY, "--seed", "9", "-o", str(home / "timed.mp4")]) == 0
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in events(capsys.readouterr().out)}
    speed = rows["tiny"]["speed"]
    assert (speed["width"], speed["num_frames"], speed["num_inference_steps"]) == (64, 4, 2) and speed["seconds"] >= 0
    assert "float" in speed["place"] and rows["hotshot-xl"]["speed"] is None
    assert run(["models", "list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny "))
    assert "4 frames of 64x64, 2 steps took about" in line and line.endswith(f"here ({speed['place']})")


def test_words_behind_a_training_file_are_not_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.toml").write_text("")
    assert run(["train", str(tmp_path / "run.toml"), "--resume", "best"]) == 1
    assert "'--resume best' is too much." in capsys.readouterr().err
