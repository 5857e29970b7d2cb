"""`python app.py film`: from a script to an animatic, its clips and its cut, with a real worker."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from diffscaler.film.report import FilmReport
from diffscaler.jobs.job import Job
from diffscaler.screenplay.shot_table import read_csv
from diffscaler.settings import Settings, read_settings
from diffscaler.studio import Studio
from diffscaler.video.probe import probe
from tests.text2video.tiny import save_tiny_animatediff
from ui.commands import run

SCRIPT = """Title: Two Scenes

INT. KITCHEN - NIGHT

A dog sleeps.

EXT. BEACH - DAY

MIRA
Run, dog!

> THE END <
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a tiny model, used by all tests of this file so that one worker serves them."""
    root = tmp_path_factory.mktemp("film")
    model = save_tiny_animatediff(Settings(data_dir=root / "data").models_dir / "tiny")
    native = "width = 96\nheight = 64\nnum_frames = 8\nmax_frames = 16\nfps = 2\nnum_inference_steps = 2"
    (model / "model.toml").write_text(f'title = "tiny"\n[native]\n{native}\n', encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "10")
    monkeypatch.setenv("DIFFSCALER_THREADS", "1")
    monkeypatch.setenv("PATH", str(home / "nothing"))  # whoever has espeak-ng gets the same silent films


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "film.fountain"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def film(script: Path, out: Path, *more: str) -> list[str]:
    return ["film", str(script), "-o", str(out), "--model", "tiny", "--size", "96x64", *more]


def shots_drawn(text: str) -> dict[str, bool]:
    """By shot, whether it was drawn now."""
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["shot"]: not row["made_before"] for row in rows if row["state"] == "shot"}


def test_a_script_becomes_a_film_and_only_what_changes_is_drawn_again(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(film(script, out, "--fps", "29.97", "--timecode", "01:00:00;00", "--burn-in", "--json")) == 0
    told = capsys.readouterr().out
    assert all(shots_drawn(told).values())
    silent = "The film is silent: espeak-ng is not installed, so nobody speaks the dialogue."
    assert json.loads(told.splitlines()[-1])["sound"] == silent
    shots = read_csv((out / "shots.csv").read_text(encoding="utf-8-sig")).shots
    names = ["SC1_SH010", "SC1_SH020", "SC2_SH010", "SC2_SH020", "SC2_SH030"]
    assert [shot.name for shot in shots] == names
    whole = probe(out / "animatic.mp4")
    assert (whole.width, whole.height, whole.num_frames) == (96, 64, sum(shot.frames for shot in shots))
    assert whole.timecode == "01:00:00;00" and len(whole.audio) == 0 and whole.subtitles == 1
    for shot in shots:
        info = probe(out / "clips" / f"{shot.name}.mp4")
        assert (info.num_frames, info.fps, info.width) == (shot.frames, whole.fps, 96)
    check_exports(out, {shot.name: shot.frames for shot in shots})
    assert "Run, dog!" in (out / "Two Scenes.srt").read_text()

    before = {path.name: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    again = ["--fps", "29.97", "--timecode", "01:00:00;00", "--burn-in", "--json"]
    assert run(film(script, out, *again)) == 0
    assert not any(shots_drawn(capsys.readouterr().out).values())
    assert {path.name: path.stat().st_mtime_ns for path in (out / "clips").iterdir()} == before

    script.write_text(SCRIPT.replace("A dog sleeps.", "A white dog sleeps."), encoding="utf-8")
    assert run(film(script, out, *again, "--take", "SC2_SH010:2")) == 0
    drawn = shots_drawn(capsys.readouterr().out)
    assert [name for name, now in drawn.items() if now] == ["SC1_SH020", "SC2_SH010"]


def check_exports(out: Path, frames: dict[str, int]) -> None:
    """Every form of the cut names clips that are there and long enough."""
    timeline: Any = otio.adapters.read_from_file(str(out / "Two Scenes.otio"))
    clips = list(timeline.find_clips())
    assert [clip.name for clip in clips] == list(frames)
    for clip in clips:
        path = Path(otio.url_utils.filepath_from_url(clip.media_reference.target_url))
        count = probe(path).num_frames
        assert clip.source_range.duration.value == frames[clip.name] <= count
        assert clip.media_reference.available_range.duration.value == count
    for suffix in (".xml", ".fcpxml", ".edl"):
        text = (out / f"Two Scenes{suffix}").read_text(encoding="utf-8")
        named = re.findall(r"[\w./-]*clips/([\w.-]+\.mp4)|SOURCE FILE: (\S+)", text)
        assert {a or b for a, b in named} == {f"{name}.mp4" for name in frames}, suffix


def test_a_film_that_was_stopped_and_whose_worker_was_killed_goes_on(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shown = FilmReport.job
    killed: list[int] = []

    def stop(self: FilmReport, number: int, job: Job, behind: float) -> None:
        if number == 3:
            raise KeyboardInterrupt
        shown(self, number, job, behind)

    def kill(self: FilmReport, number: int, job: Job, behind: float) -> None:
        # In the middle of a shot where the eye is quick enough, else when the last one begins.
        if not killed and ((job.state == "running" and job.progress) or number == 5):
            for worker in Studio(read_settings()).queue.workers("device"):
                killed.append(worker["pid"])
                os.kill(worker["pid"], signal.SIGKILL)
        shown(self, number, job, behind)

    command = film(script, out, "--fps", "24", "--look", "Noir", "--json")
    monkeypatch.setattr(FilmReport, "job", stop)
    assert run(command) == 130
    told = capsys.readouterr()
    assert "Stopped after 2 of 5 shots." in told.err and not (out / "animatic.mp4").exists()
    assert list(shots_drawn(told.out)) == ["SC1_SH010", "SC1_SH020"]

    monkeypatch.setattr(FilmReport, "job", kill)
    assert run(command) == 0
    drawn = shots_drawn(capsys.readouterr().out)
    assert not drawn["SC1_SH010"] and not drawn["SC1_SH020"] and drawn["SC2_SH020"] and killed
    whole = (out / "animatic.mp4").read_bytes()
    assert probe(out / "animatic.mp4").num_frames == sum(
        shot.frames for shot in read_csv((out / "shots.csv").read_text(encoding="utf-8-sig")).shots
    )
    assert run(command) == 0 and (out / "animatic.mp4").read_bytes() == whole


def test_some_scenes_and_a_dry_run(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run([*film(script, out, "--scenes", "2", "--dry-run", "--draft")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 shots, ") and "to draw" in told and "SC1" not in told
    assert sorted(path.name for path in out.iterdir()) == ["clips", "shots.csv"]


def test_what_was_set_in_the_shot_list_is_drawn(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = film(script, out, "--scenes", "2", "--dry-run", "--json")
    assert run(command) == 0
    table = out / "shots.csv"
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    frames = read_csv("\n".join(lines)).shots[-1].frames
    row = next(index for index, line in enumerate(lines) if line.startswith("SC2_SH030"))
    lines[row] = lines[row].replace(f",{frames},", ",200,", 1)
    table.write_text("\n".join(lines), encoding="utf-8-sig")
    capsys.readouterr()
    assert run(command) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1]["shot"] == "SC2_SH030" and rows[-1]["frames"] == 200
    assert run([*command, "--fps", "25"]) == 1
    assert "counts at 24 frames a second" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["film", "{script}", "-o", "{out}", "--model", "nope"], "There is no model called 'nope'"),
        (["film", "{script}", "-o", "{out}", "--scenes", "7"], "There is no scene 7."),
        (["film", "{script}", "-o", "{out}", "--take", "SC9_SH010:2"], "There is no shot SC9_SH010."),
        (["film", "{script}", "-o", "{out}", "--timecode", "01:00:00;00"], "no drop-frame timecode at 24"),
        (["film", "{script}", "-o", "{script}"], "film.fountain is a file, not a folder."),
        (["film", "{script}", "-o", "{script}/out"], "out cannot be written to: Not a directory."),
        (["film", "{empty}", "-o", "{out}"], "empty.fountain has no scene."),
        (["film", "{out}/none.fountain", "-o", "{out}"], "none.fountain"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], sentence: str
) -> None:
    empty = tmp_path / "empty.fountain"
    empty.write_text("Once upon a time.\n")
    words = {"script": script, "out": tmp_path / "out", "empty": empty}
    assert run([word.format(**words) for word in command]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert sentence in lines[0] and len(lines) <= 2, lines


def test_sizes_no_film_has_are_usage_errors(script: Path, tmp_path: Path) -> None:
    for size in ("640", "641x360", "32x32", "axb", "9000x360"):
        with pytest.raises(SystemExit) as error:
            run(film(script, tmp_path / "out", "--size", size))
        assert error.value.code == 2
