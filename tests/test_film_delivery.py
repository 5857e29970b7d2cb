"""What `python app.py film` delivers: sound, subtitles, dissolves, media for the edit suite and boards, in one film."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest

from diffscaler.screenplay.export.timecode import frame_of
from diffscaler.screenplay.shot_table import read_csv
from diffscaler.settings import Settings
from diffscaler.video.probe import probe
from diffscaler.video.reader import read_frames
from diffscaler.video.wav import write_wav
from tests.film.speaking import FakeSpeech
from tests.film.test_soundtrack import heard, onset_s, shown
from tests.text2video.tiny import save_tiny_animatediff
from ui.commands import run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for espeak-ng is a script with a #! line")

SCRIPT = """Title: Two Scenes
Author: Zoë <b>

FADE IN:

INT. KITCHEN - NIGHT

= Somebody calls.

MIRA (a woman) is here.

DISSOLVE TO:

EXT. BEACH - DAY

MIRA
-w /tmp/dog; run, 犬!

> THE END <

> FADE OUT.
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("film")
    model = save_tiny_animatediff(Settings(data_dir=root / "data").models_dir / "tiny")
    native = "width = 64\nheight = 64\nnum_frames = 8\nmax_frames = 8\nfps = 2\nnum_inference_steps = 1"
    (model / "model.toml").write_text(f'title = "tiny"\n[native]\n{native}\n', encoding="utf-8")
    (root / "film.fountain").write_text(SCRIPT, encoding="utf-8")
    at = np.arange(RATE := 22050) / RATE
    write_wav(root / "sea.wav", 0.5 * np.sin(2 * np.pi * 200 * at)[None], RATE)
    return root


@pytest.fixture(scope="module")
def speech(home: Path) -> FakeSpeech:
    return FakeSpeech(home)


@pytest.fixture(autouse=True)
def here(home: Path, speech: FakeSpeech, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
    monkeypatch.setenv("DIFFSCALER_THREADS", "1")
    monkeypatch.setenv("PATH", speech.path)


def film(home: Path, out: str, *more: str) -> list[str]:
    command = ["film", str(home / "film.fountain"), "-o", str(home / out), "--model", "tiny", "--size", "256x144"]
    return [*command, "--shape", "model", "--fps", "29.97", "--timecode", "01:00:00;00", *more]


@pytest.fixture(scope="module")
def made(home: Path, speech: FakeSpeech) -> dict[str, Any]:
    """The film with everything, made once: its folder, what was told, its shots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFSCALER_DATA_DIR", str(home / "data"))
        patch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
        patch.setenv("DIFFSCALER_THREADS", "1")
        patch.setenv("PATH", speech.path)
        told = home / "told.txt"
        everything = ("--media", "dnxhr", "--board", "pdf,html,sheet", "--burn-in", "--json")
        with told.open("w") as file, pytest.MonkeyPatch.context() as out:
            out.setattr("sys.stdout", file)
            assert run(film(home, "out", *everything)) == 0
    rows = [json.loads(line) for line in told.read_text().splitlines()]
    shots = read_csv((home / "out" / "shots.csv").read_text(encoding="utf-8-sig")).shots
    return {"out": home / "out", "rows": rows, "shots": shots}


def test_the_film_has_the_frames_of_its_shot_list_and_dissolves_at_its_cut(made: dict[str, Any]) -> None:
    out, shots = made["out"], made["shots"]
    whole = probe(out / "animatic.mp4")
    assert whole.num_frames == sum(shot.frames for shot in shots) and whole.timecode == "01:00:00;00"
    by_name = {shot.name: shot.frames for shot in shots}
    frames = {name: probe(out / "clips" / f"{name}.mp4").num_frames for name in by_name}
    assert {name: frames[name] - by_name[name] for name in by_name} == {
        "SC1_SH010": 0, "SC1_SH020": 7, "SC2_SH010": 7, "SC2_SH020": 0, "SC2_SH030": 0,
    }  # fmt: skip
    ends = np.concatenate([chunk.frames for chunk in read_frames(out / "animatic.mp4")])
    assert ends[0].mean() < 40 and ends[-1, :120].max() < 40, "it comes from black and goes to black"


def test_what_is_said_is_heard_and_shown_at_its_shot(made: dict[str, Any], speech: FakeSpeech) -> None:
    path, shots = made["out"] / "animatic.mp4", made["shots"]
    fps = float(probe(path).fps)
    start = sum(shot.frames for shot in shots[:3])
    assert shots[3].dialogue and onset_s(*heard(path)) == pytest.approx((start + 9) / fps, abs=0.5 / fps)
    ((begins, ends, text),) = shown(path)
    assert text == "-w /tmp/dog; run, 犬!" and begins == pytest.approx(start / fps, abs=0.5 / fps)
    assert ends <= (start + shots[3].frames) / fps + 1e-3
    said = [call for call in speech.calls if call["said"] == "-w /tmp/dog; run, 犬!\n"]
    assert said and all("-w /tmp/dog; run, 犬!" not in call["arguments"] for call in speech.calls)
    assert {tuple(call["arguments"][:2]) for call in said} <= {("-v", f"en+f{n}") for n in range(1, 6)}
    assert made["rows"][-1]["sound"] == "Heard: 1 line of scratch dialogue spoken by espeak-ng 9.87."


def test_the_media_folder_is_what_the_cut_says_of_it(made: dict[str, Any]) -> None:
    out, hour = made["out"], frame_of("01:00:00;00", "29.97")
    timeline: Any = otio.adapters.read_from_file(str(out / "Two Scenes.otio"))
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == [shot.name for shot in made["shots"]]
    for clip in clips:
        path = Path(otio.url_utils.filepath_from_url(clip.media_reference.target_url))
        info = probe(path)
        assert (path.parent, info.codec, info.fps.denominator) == (out / "media", "dnxhd", 1001)
        there = clip.media_reference.available_range
        assert (frame_of(info.timecode, "29.97"), info.num_frames) == (there.start_time.value, there.duration.value)
        assert info.reel == clip.metadata["cmx_3600"]["reel"] == f"{clip.name}_T1"
        assert clip.source_range.start_time.value == hour, "the shot's own first frame is one o'clock"
    assert info.timecode.startswith("01:00:00;00") and ";" in info.timecode
    kinds = [type(item).__name__ for item in timeline.video_tracks()[0]]
    assert kinds == ["Transition", "Clip", "Clip", "Transition", "Clip", "Clip", "Clip", "Transition"]
    edl = (out / "Two Scenes.edl").read_text()
    assert re.search(r"SC2_SH010_T1\s+V\s+D\s+014\s+00:59:59;23", edl) and edl.count("BL ") == 2


def test_boards_lie_beside_the_film(made: dict[str, Any]) -> None:
    board = made["out"] / "board"
    assert sorted(path.name for path in board.iterdir()) == [
        "board.html", "board.pdf", "sheet-SC1.jpg", "sheet-SC2.jpg"
    ]  # fmt: skip
    page = (board / "board.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 5 and "Zoë &lt;b&gt;" in page and "Somebody calls." in page
    files = made["rows"][-1]["files"]
    assert str(board / "board.pdf") in files and all(Path(file).exists() for file in files)


def test_sound_and_subtitles_change_without_drawing_or_joining_anew(
    home: Path, made: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    command = film(home, "out", "--burn-in", "--json", "--audio", str(home / "sea.wav"), "--audio-at", "-0.5")
    assert run([*command, "--audio-track", "own", "--language", "de"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["made_before"] for row in rows if row["state"] == "shot")
    path = home / "out" / "animatic.mp4"
    info = probe(path)
    assert len(info.audio) == 2 and {track.language for track in info.audio} == {"ger"}
    samples, rate = heard(path, 1)
    assert onset_s(samples, rate) < 0.02 and np.abs(samples[:, rate : rate * 2]).max() < 0.01
    assert rows[-1]["sound"].startswith("Heard: 1 line of scratch dialogue") and "sea.wav" in rows[-1]["sound"]
    assert info.manifest is not None and info.manifest["sound"] == "sea.wav"


def test_cards_and_slates_are_in_the_cut_as_they_are_in_the_film(
    home: Path, made: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    command = film(home, "cards", "--scenes", "2", "--cards", "shots", "--burn-subtitles", "--speech", "off")
    assert run(command) == 0
    told = capsys.readouterr().out
    assert "The film is silent: --speech is off." in told
    timeline: Any = otio.adapters.read_from_file(str(home / "cards" / "Two Scenes.otio"))
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips][:4] == ["SC2_CARD", "SC2_SH010_SLATE", "SC2_SH010", "SC2_SH020_SLATE"]
    info = probe(home / "cards" / "animatic.mp4")
    assert info.num_frames == sum(clip.source_range.duration.value for clip in clips)
    assert (info.subtitles, len(info.audio)) == (0, 0), "they are in the picture"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--audio", "{home}/film.fountain"), "film.fountain"),
        (("--audio", "{home}/none.wav"), "none.wav"),
        (("--audio", "{home}/sea.wav", "--audio-at", "soon"), "'soon' is no time."),
    ],
)
def test_a_sound_that_cannot_be_had_is_told_before_anything_is_drawn(
    home: Path, made: dict[str, Any], capsys: pytest.CaptureFixture[str], more: tuple[str, ...], sentence: str
) -> None:
    assert run(film(home, "out", *(word.format(home=home) for word in more))) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert sentence in lines[0] and len(lines) <= 2, lines


@pytest.mark.parametrize(
    "more", [("--board", "docx"), ("--dissolve", "-1"), ("--dissolve", "x"), ("--language", "$(x)"), ("--media", "avi")]
)
def test_options_that_mean_nothing_are_usage_errors(home: Path, more: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as error:
        run(film(home, "out", *more))
    assert error.value.code == 2
