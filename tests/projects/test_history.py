"""What is done to a film can be undone and done again, in order, and films that were deleted come back whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.projects import edits
from diffscaler.projects.history import KEPT
from diffscaler.projects.project import Project
from diffscaler.projects.reading import new_project, read_again
from diffscaler.projects.store import FilmGone, ProjectStore
from tests.projects.test_edits import TEXT, take
from tests.screenplay.test_board import WORDS, edited_at_random


@pytest.fixture
def films(tmp_path: Path) -> ProjectStore:
    return ProjectStore(tmp_path)


@pytest.fixture
def film(films: ProjectStore) -> Project:
    return films.add(new_project(TEXT, "bus"))


def at_random(rng: random.Random, film: Project) -> Callable[[Project], Project]:
    """Something a person may do to it, or to its script."""
    shot = rng.choice(film.board.shots)
    script = "\n\n".join(edited_at_random(film.script.split("\n\n"), rng))
    return rng.choice(
        [
            lambda p: edits.split_shot(p, shot.id),
            lambda p: edits.merge_with_next(p, shot.id),
            lambda p: edits.move_shot(p, shot.id, rng.choice((-2, -1, 1, 2))),
            lambda p: edits.take_out(p, shot.id),
            lambda p: edits.edit_shot(p, shot.id, prompt=rng.choice(WORDS), frames=rng.randint(1, 90)),
            lambda p: edits.edit_shot(p, shot.id, locked=not shot.locked),
            lambda p: edits.set_film(p, p.film.model_copy(update={"rate": rng.choice(("24", "25", "30"))})),
            lambda p: edits.set_film(p, p.film.model_copy(update={"look": rng.choice(WORDS)})),
            lambda p: edits.set_role(p, "MIRA", appearance=rng.choice(WORDS)),
            lambda p: edits.open_shot_list(p, edits.shot_list(edits.take_out(p, shot.id))),
            lambda p: read_again(p, script),
        ]
    )


def test_any_edits_are_undone_and_done_again_one_by_one(films: ProjectStore, film: Project) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    states = [film]
    while len(states) < 16:
        try:
            now = films.change(film.id, at_random(rng, states[-1]))
        except DiffScalerError:  # it is locked, or the last of its scene
            continue
        if films.steps(film.id)[0] and (now.board.shots, now.board.orphans, now.script) != (
            states[-1].board.shots, states[-1].board.orphans, states[-1].script
        ):  # fmt: skip
            states.append(now)
        else:
            states[-1] = now

    def as_it_was(state: Project) -> bool:
        return replace(films.get(film.id), changed=0.0) == replace(state, changed=0.0)

    for state in reversed(states[:-1]):
        films.undo(film.id)
        assert films.get(film.id).board == state.board and films.get(film.id).script == state.script
    for state in states[1:]:
        films.redo(film.id)
        assert films.get(film.id).board == state.board
    assert as_it_was(states[-1])


def test_steps_have_names_and_a_new_one_takes_the_place_of_what_was_undone(films: ProjectStore, film: Project) -> None:
    shot = film.board.shots[1]
    assert films.steps(film.id) == ("", "")
    films.change(film.id, lambda p: edits.split_shot(p, shot.id), "split", shot.id)
    films.change(film.id, lambda p: edits.rename(p, "Bus"), "title")
    assert films.steps(film.id) == (f"split {shot.name}", ""), "a title is no step of the board"
    assert films.undo(film.id) == f"split {shot.name}"
    assert films.steps(film.id) == ("", f"split {shot.name}") and films.get(film.id).title == "Bus"
    films.change(film.id, lambda p: edits.edit_shot(p, shot.id, prompt="A dog."), "prompt of", shot.id)
    assert films.steps(film.id) == (f"prompt of {shot.name}", "")
    with pytest.raises(InvalidRequest, match="nothing to do again"):
        films.redo(film.id)
    films.undo(film.id)
    with pytest.raises(InvalidRequest, match="nothing to undo"):
        films.undo(film.id)


def test_takes_and_what_else_was_set_since_outlive_an_undo(films: ProjectStore, film: Project) -> None:
    shot = film.board.shots[1]
    half = films.change(film.id, lambda p: edits.split_shot(p, shot.id)).board.shots[2]
    films.change(film.id, lambda p: replace(p, takes=(take(shot.id), take(half.id, circled=True))))
    films.change(film.id, lambda p: edits.set_film(p, p.film.model_copy(update={"burn_in": False})))
    films.undo(film.id)
    undone = films.get(film.id)
    assert undone.board.shots == film.board.shots and not undone.film.burn_in and len(undone.takes) == 2
    assert [one.id for one in undone.board.orphans] == [half.id], "its take would be out of reach"
    assert half.id not in {one.id for one in read_again(undone, TEXT).board.shots}
    films.redo(film.id)
    redone = films.get(film.id)
    assert redone.shot(half.id) == half and redone.board.orphans == () and redone.takes == undone.takes


def test_the_history_is_short(films: ProjectStore, film: Project) -> None:
    shot = film.board.shots[0].id
    for number in range(KEPT + 3):
        films.change(film.id, lambda p, n=number: edits.edit_shot(p, shot, note=str(n)))
    undone = 0
    while films.steps(film.id)[0]:
        films.undo(film.id)
        undone += 1
    assert undone == KEPT and films.get(film.id).shot(shot).note == "2"


def test_a_deleted_film_is_nowhere_until_it_is_brought_back_with_all_its_takes(
    films: ProjectStore, film: Project
) -> None:
    kept = films.change(film.id, lambda p: replace(p, takes=(take(film.board.shots[0].id, circled=True),)))
    clip = kept.takes[0].clip
    assert films.remove(film.id) == kept and films.list() == []
    for look in (films.get, films.glance, films.folder, films.remove):
        with pytest.raises(FilmGone):
            look(film.id)
    assert films.film_of(clip) is None and films.circled_in(clip) is None, "it protects no clip any more"
    assert [one.id for one in films.list(removed=True)] == [film.id]
    assert films.put_back(film.id) == kept and films.film_of(clip) == (film.id, kept.takes[0].shot)
    assert [one.id for one in films.list()] == [film.id] and films.list(removed=True) == []
    with pytest.raises(FilmGone):
        films.put_back("0123456789ab")


def test_a_film_that_was_renamed_keeps_its_name_until_its_script_gets_another(film: Project) -> None:
    named = edits.rename(film, "  The Bus \n to the Sea ")
    assert named.title == "The Bus to the Sea"
    assert read_again(named, TEXT + "\nMore.\n").title == "The Bus to the Sea"
    assert read_again(named, TEXT.replace("The Last Bus", "The First Bus")).title == "The First Bus to the Sea"
    for title in ("", " \n", "x" * 201):
        with pytest.raises(InvalidRequest, match="1 to 200 letters"):
            edits.rename(film, title)
