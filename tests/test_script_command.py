"""`python app.py script`: what a person types, reads, and is told when it goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shot_table import read_csv
from diffscaler.settings import ROOT
from ui.commands import run

SAMPLE = ROOT / "assets" / "screenplays" / "the-last-bus-to-the-sea.fountain"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(tmp_path / "data"))


def rows(path: Path) -> list[str]:
    return [shot.id for shot in read_csv(path.read_text(encoding="utf-8-sig")).shots]


def test_scenes_characters_and_shots_are_told_and_written(tmp_path, capsys):
    shots = tmp_path / "shots.csv"
    assert run(["script", str(SAMPLE), "--shots", str(shots), "--fps", "25", "--model", "mini"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("The Last Bus to the Sea by DiffScaler Studio\n4 scenes, 3 2/8 pages, about 3 min")
    assert "2  5/8      53  EXT. ROAD - DAY           OTTO, MIRA, JONAS" in told.out
    assert "OTTO             10     99  2, 3, 4" in told.out
    assert "SC1_SH020  00:00:03:07" in told.out
    assert "SC2_SH040: mini does not know empty, seats" in told.out
    assert told.err == f"Wrote {shots}\n"
    assert read_csv(shots.read_text(encoding="utf-8-sig")).rate == "25"


def test_a_changed_script_keeps_what_was_set_and_says_what_is_stale(tmp_path, capsys):
    shots, script = tmp_path / "shots.csv", tmp_path / "film.fountain"
    run(["script", str(SAMPLE), "--shots", str(shots), "--fps", "25"])
    before = rows(shots)
    text = SAMPLE.read_text(encoding="utf-8").replace("A boat sails left.", "A red boat sails left.")
    script.write_text(text.replace("JONAS\nHe saw us.\n\n", ""), encoding="utf-8")
    capsys.readouterr()
    assert run(["script", str(script), "--since", str(shots), "--shots", str(shots)]) == 0
    told = capsys.readouterr()
    assert "SC4_SH030 is stale. Line 130: “A boat sails left. A bird flies past.” is now “A red boat" in told.out
    assert "No longer in the script: JONAS: He saw us." in told.out
    assert set(rows(shots)) | set(rows(tmp_path / "shots-orphans.csv")) == set(before)
    again = ["script", str(SAMPLE), "--since", str(shots), "--shots", str(shots)]
    assert run(again) == 0  # the line is back, and its shot with it
    assert rows(shots) == before
    assert not (tmp_path / "shots-orphans.csv").exists()


def test_what_was_changed_in_a_spreadsheet_survives_the_next_draft(tmp_path):
    shots = tmp_path / "shots.csv"
    run(["script", str(SAMPLE), "--shots", str(shots)])
    text = shots.read_text(encoding="utf-8-sig")
    first, second, rest = text.split("\n", 2)
    shots.write_text("\n".join((first, second.replace(",79,wide,", ",120,wide,"), rest)), encoding="utf-8")
    assert run(["script", str(SAMPLE), "--since", str(shots), "--shots", str(shots)]) == 0
    opened = read_csv(shots.read_text(encoding="utf-8-sig")).shots
    assert (opened[0].frames, opened[0].edited, opened[1].edited) == (120, ("frames",), ())


def test_one_json_object_a_line(capsys):
    assert run(["script", str(SAMPLE), "--json", "--model", "mini"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["scene"] for line in lines if "scene" in line] == ["1", "2", "3", "4"]
    shot = next(line for line in lines if line.get("shot") == "SC4_SH030")
    assert shot["drawn"] == "Wide shot. EXT. BEACH - SUNSET. A boat sails left. A bird flies past."
    assert shot["dropped"] == ["tracking"]


def test_a_script_is_written_in_another_format(tmp_path):
    saved = tmp_path / "film.fdx"
    assert run(["script", str(SAMPLE), "--save", str(saved)]) == 0
    assert [scene.heading for scene in read_script(saved).scenes] == [
        scene.heading for scene in read_script(SAMPLE).scenes
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--shots", "{there}"], "there.csv is there already."),
        (["--save", "film.pdf"], "cannot be written as film.pdf"),
        (["--since", "{there}"], "no column scene and text"),
        (["--model", "nonsense"], "There is no model called 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path, capsys, more, said):
    there = tmp_path / "there.csv"
    there.write_text("precious\n")
    assert run(["script", str(SAMPLE), *(word.format(there=there) for word in more)]) == 1
    assert said in capsys.readouterr().err
    assert there.read_text() == "precious\n"
