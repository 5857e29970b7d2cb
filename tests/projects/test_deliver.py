"""A film's cut is written from its takes, as the board has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import opentimelineio as otio
import pytest

from diffscaler.engine import Engine
from diffscaler.errors import InvalidRequest
from diffscaler.models.catalogue import Catalogue
from diffscaler.projects import edits
from diffscaler.projects.deliver import write_cut_folder
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import Project, Take
from diffscaler.projects.reading import new_project
from diffscaler.recipes import Recipes
from diffscaler.requests import ShotRequest
from diffscaler.settings import Settings
from tests.fakes import FakeWatcher

SCRIPT = "INT. A - DAY\n\n> ONE <\n\n> TWO <\n"


@pytest.fixture
def film(engine: Engine, settings: Settings) -> Project:
    """Cards only: their clips are made in a moment. The first shot has no take."""
    film = new_project(SCRIPT, "Cards")
    for shot in film.board.shots:
        film = edits.edit_shot(film, shot.id, frames=12)
    takes = []
    for shot in film.board.shots[1:]:
        recipe = Recipes(engine.library, Catalogue(settings)).of(
            ShotRequest(name=shot.name, card=shot.text, frames=12, width=64, height=64)
        )
        engine.run(recipe.root, FakeWatcher())
        takes.append(Take(shot.id, 1, 1, False, recipe.root.key, recipe.request))  # type: ignore[arg-type]
    return replace(film, takes=tuple(takes))


def standing(film: Project) -> Standing:
    return Standing(frozenset(take.clip for take in film.takes), {})


def test_the_cut_has_the_shots_that_are_made_in_the_board_s_order(
    film: Project, engine: Engine, tmp_path: Path
) -> None:
    film = edits.move_shot(film, film.board.shots[2].id, -1)
    root = tmp_path / "cut"
    assert list(write_cut_folder(film, standing(film), engine.library, root)) == [1, 2]
    assert {path.name for path in root.iterdir()} == {
        "clips", "shots.csv", "Cards.otio", "Cards.edl", "Cards.xml", "Cards.fcpxml",
    }  # fmt: skip
    timeline = otio.adapters.read_from_file(str(root / "Cards.otio"))
    clips = list(timeline.find_clips())  # type: ignore[union-attr]
    assert [clip.name for clip in clips] == ["SC1_SH020", "SC1_SH030"]
    for clip in clips:
        assert Path(otio.url_utils.filepath_from_url(clip.media_reference.target_url)).is_file()
        assert clip.source_range.duration.value == 12


def test_a_take_that_is_shorter_than_its_shot_is_not_cut(film: Project, engine: Engine, tmp_path: Path) -> None:
    longer = edits.edit_shot(film, film.board.shots[1].id, frames=13)
    with pytest.raises(InvalidRequest, match="lasts 13 frames"):
        list(write_cut_folder(longer, standing(longer), engine.library, tmp_path / "cut"))
    slower = edits.set_film(film, film.film.model_copy(update={"rate": "25"}))
    with pytest.raises(InvalidRequest, match="another frame rate"):
        list(write_cut_folder(slower, standing(slower), engine.library, tmp_path / "cut"))
    nothing = replace(film, takes=())
    with pytest.raises(InvalidRequest, match="No shot"):
        list(write_cut_folder(nothing, standing(nothing), engine.library, tmp_path / "cut"))
    assert not (tmp_path / "cut").exists()
