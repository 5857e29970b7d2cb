"""Casting from the command line, end to end with a real worker."""

from __future__ import annotations

import json
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import InvalidRequest
from diffscaler.faceswap_command import correction, playing
from diffscaler.media import ClipMeta, FrameChunk
from diffscaler.requests import Correction
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video.encodings import Encoding
from diffscaler.video.probe import probe
from diffscaler.video.reader import read_frames
from diffscaler.video.writer import write_clip
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import astronaut, scene
from tests.video.make import all_times, beep_onsets, video, with_beeps
from ui.commands import run

N = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, and a clip of two people, the left one larger."""
    root = tmp_path_factory.mktemp("cast")
    Image.fromarray(astronaut()).save(root / "eileen.png")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(root / "wall.png")
    frames = np.repeat(scene()[None, :, :420], N, axis=0)
    meta = ClipMeta(kind="frames", width=420, height=270, num_frames=N, fps=Fraction(12), duration_s=N / 12)
    chunk = FrameChunk(frames, 0, np.arange(N) / 12)
    write_clip(
        root / "two.mp4", meta, [chunk], Encoding(name="h264", quality=10), sound=None, manifest={},
        on_frames=lambda done: None,
    )  # fmt: skip
    return root


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
    monkeypatch.setenv("DIFFSCALER_THREADS", "1")


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def pictures(path: Path) -> Any:
    return np.concatenate([chunk.frames for chunk in read_frames(path)]).astype(int)


def test_cast_people_swap_correct_review(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cast", "add", "Eileen", "--photo", str(home / "eileen.png"), "--consent", "by mail"]) == 0
    assert "In the cast: Eileen: by mail (recorded " in capsys.readouterr().out
    clip = str(home / "two.mp4")
    assert run(["people", clip, "--json"]) == 0
    everyone = rows(capsys)[-1]["people"]
    assert [person["track"] for person in everyone] == [0, 1] and all(p["confidence"] > 0.6 for p in everyone)

    words = ["swap", clip, "--cast", "eileen:1", "--quality", "6", "--json"]
    assert run([*words, "-o", str(home / "one.mp4")]) == 0
    rows(capsys)
    was, now = pictures(Path(clip)), pictures(home / "one.mp4")
    apart = np.abs(now - was).max(axis=3)
    face = (slice(None), slice(100, 150), slice(310, 360))
    assert apart[face].max() > 40 and apart[:, :, :230].max() < 30  # on the left only compression
    info = probe(home / "one.mp4")
    assert info.manifest is not None and info.manifest["cast"] == "Eileen"
    assert info.manifest["consent"].startswith("Eileen: by mail (recorded 20")

    # Frames 2 and 3 keep the original face; nothing but the correction runs.
    assert run([*words, "--correct", "2-3", "-o", str(home / "two.mp4.mp4")]) == 0
    events = rows(capsys)
    assert events[0]["state"] == "planned" and events[0]["steps"] - events[0]["ready"] == 2
    assert {row["progress"]["stage"] for row in events if "progress" in row} <= {"correct_swap", "encode"}
    corrected = pictures(home / "two.mp4.mp4")
    apart = np.abs(corrected - was).max(axis=3)
    assert apart[2:4][face].max() < 30 and apart[4:][face].max() > 40

    assert run(["library", "list", "--json"]) == 0
    key = next(row["key"] for row in rows(capsys) if row["title"].startswith("Face swap"))
    assert run(["review", key, "--json"]) == 0
    result = rows(capsys)[-1]
    assert result["card"]["replaced"] == N - 2 and result["card"]["likeness"] is None
    assert not any(c["what"] == "not replaced" for c in result["concerns"])  # frames 2 and 3 keep theirs on purpose
    assert run(["library", "list", "--json"]) == 0  # looking things up leaves no clips on the shelf
    assert {row["stage"] for row in rows(capsys)} == {"import", "encode"}

    assert run(["cast", "rm", "EILEEN"]) == 0
    assert run(["swap", clip, "--cast", "Eileen", "-o", str(home / "no.mp4")]) == 1
    assert "Nobody in the cast is called 'Eileen'." in capsys.readouterr().err


def test_a_swap_changes_faces_and_nothing_else_of_a_clip(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An uneven, full-range, letterboxed clip with two sound tracks and a title comes back so, but for the face."""
    frames = np.zeros((9, 330, 420, 3), np.uint8)
    frames[:, 30:300] = scene()[:, :420]
    times, end = [*(i / 12 for i in range(5)), *(5 / 12 + i / 5 for i in range(4))], 5 / 12 + 4 / 5
    silent = video(home / "silent.mp4", frames, times, end, crf="4")
    full = (
        "-c:v libx264 -crf 4 -vf scale=out_range=pc -color_range pc -fps_mode passthrough -metadata title=Two".split()
    )
    clip = with_beeps(silent, home / "letterbox.mkv", 0.6, end, *full)
    words = ["swap", str(clip), "--face", str(home / "eileen.png"), "--consent", "by mail", "--people", "largest"]
    assert run([*words, "--quality", "4", "-o", str(home / "whole.mp4")]) == 0
    before, after = probe(clip), probe(home / "whole.mp4")
    assert after.num_frames == before.num_frames == 9 and before.vfr
    assert np.allclose(all_times(home / "whole.mp4"), all_times(clip), atol=0.002)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.03) and after.metadata["title"] == "Two"
    heard = [beep_onsets(path) for path in (clip, home / "whole.mp4")]
    assert len(heard[0]) == len(heard[1]) == 2
    for (was, hertz), (now, same) in zip(*heard, strict=True):
        assert now == pytest.approx(was, abs=0.01) and same == pytest.approx(hertz, rel=0.02)
    was, now = pictures(clip), pictures(home / "whole.mp4")
    face, right = (slice(None), slice(75, 127), slice(115, 155)), (slice(None), slice(30, 300), slice(260, None))
    assert all(np.abs(now - was)[i][face[1:]].mean() > 4 for i in range(9))
    assert np.abs(now - was)[right].mean() < 1 and now[:, :26].max() < 8 and now[:, 304:].max() < 8
    assert abs((now - was)[right].mean()) < 0.3, "the range of its colours is the same"

    assert run([*words, "--encoding", "pictures", "-o", str(home / "whole.zip")]) == 0
    with ZipFile(home / "whole.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        lossless = np.stack([np.asarray(Image.open(BytesIO(archive.read(name))).convert("RGB")) for name in names])
    assert len(lossless) == 9 and np.array_equal(lossless[right], was[right]), "not a level beside the face"
    assert not lossless[:, :26].any() and (lossless[face] != was[face]).mean() > 0.5
    capsys.readouterr()


def test_networks_by_file_mask_the_face_tell_people_apart_and_are_named_in_the_file(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(home / "networks"))
    models = Settings(data_dir=home / "networks").models_dir
    models.mkdir(parents=True)
    made = {
        "inswapper_128": tiny_onnx.swapper, "w600k_r50": tiny_onnx.arcface, "bisenet_resnet_34": tiny_onnx.parser,
        "xseg_3": tiny_onnx.occluder, "2d106det": tiny_onnx.landmarker,
    }  # fmt: skip
    for name, make in made.items():
        make(models / f"{name}.onnx")
    studio = Studio(Settings(data_dir=home / "networks"))
    studio.cast.add("Eileen", (studio.add_file(home / "eileen.png").key,), "by mail", True)
    assert run(["people", str(home / "two.mp4")]) == 0
    assert "person 1" in (told := capsys.readouterr().out) and "told apart by ArcFace" in told
    words = ["swap", str(home / "two.mp4"), "--cast", "Eileen:1", "--correct", "2=looks", "--json"]
    assert run([*words, "-o", str(home / "masked.mp4")]) == 0
    stages = {row["progress"]["stage"] for row in rows(capsys) if "progress" in row}
    assert stages >= {"mask_faces", "swap_face"} and "identify_people" not in stages
    manifest = probe(home / "masked.mp4").manifest
    assert manifest is not None and manifest["people"].startswith("told apart by ArcFace")
    notes = " ".join(manifest["notes"])
    assert all(word in notes for word in ("inswapper", "BiSeNet", "XSeg", "106 landmarks"))
    assert "xseg_3" in json.dumps(manifest) and '"in_front": ["parsing", "occluder"]' in json.dumps(manifest)


def test_who_shows_no_face_does_not_join(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cast", "add", "Wall", "--photo", str(home / "wall.png"), "--consent", "x"]) == 1
    assert "wall.png: No face was found." in capsys.readouterr().err
    assert run(["cast", "list", "--json"]) == 0
    assert all(member["name"] != "Wall" for member in rows(capsys)[-1]["cast"])


def test_a_swap_of_nobody_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["swap", str(home / "two.mp4"), "-o", str(home / "no.mp4")]) == 1
    assert "Nobody is to be swapped in." in capsys.readouterr().err


def test_masks_can_be_asked_for_and_what_is_wrong_with_them_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["swap", str(home / "two.mp4"), "--face", str(home / "eileen.png"), "-o", str(home / "no.mp4")]
    assert run([*words, "--in-front", "parsing"]) == 1
    told = capsys.readouterr().err
    assert "No face parser is installed." in told and "bisenet_resnet_34.onnx" in told
    assert run([*words, "--regions", "skin,ears"]) == 1 and "ears" in capsys.readouterr().err
    assert run([*words, "--mask-blur", "3"]) == 1 and "mask_blur" in capsys.readouterr().err
    assert run([*words, "--correct", "1-2=occluder"]) == 1
    assert "No face occluder is installed." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40-52", Correction(start=40, stop=53)),
        ("17", Correction(start=17, stop=18)),
        ("40-52:1,3", Correction(start=40, stop=53, people=(1, 3))),
        ("0-1:2=over everything", Correction(start=0, stop=2, people=(2,), how="over everything")),
        ("5=builtin", Correction(start=5, stop=6, how="builtin")),
        ("5:1=parsing", Correction(start=5, stop=6, people=(1,), how="parsing")),
    ],
)
def test_corrections_are_read_as_written(text: str, expected: Correction) -> None:
    assert correction(text) == expected


@pytest.mark.parametrize("text", ["", "a-b", "3-", "-3", "3:x", "3-9:", "1.5-2"])
def test_what_names_no_frames_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        correction(text)


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("9-3", "ends before it begins", "3-9"),
        ("3=blur", "'blur' is no way", "skip, builtin, inswapper, ghost, diffusion, parsing"),
    ],
)
def test_what_is_wrong_with_a_correction_is_said(text: str, sentence: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as refused:
        correction(text)
    assert hint in refused.value.hint


def test_names_may_have_colons_and_numbers_must_follow_one(home: Path) -> None:
    studio = Studio(Settings(data_dir=home / "names"))
    for name in ("Anna", "R2: D2", "Agent:7"):
        studio.cast.add(name, ("a" * 40,), "by mail", True)
    asked = {text: playing(studio, text) for text in ("anna", "Anna:0,2", "R2: D2", "R2: D2:1", "Agent:7")}
    assert [(role.name, role.people) for role in asked.values()] == [
        ("Anna", "all"), ("Anna", (0, 2)), ("R2: D2", "all"), ("R2: D2", (1,)), ("Agent:7", "all"),
    ]  # fmt: skip
    for text in ("Anna:", "Anna:x", "Bo", "Bo:1"):
        with pytest.raises(InvalidRequest):
            playing(studio, text)
