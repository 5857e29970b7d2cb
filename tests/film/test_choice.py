"""Scenes and takes by what is typed."""

from __future__ import annotations

import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.film.choice import scenes_in, takes_in
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import Shot

NUMBERS = ("1", "2", "2A", "3", "4-5")


@pytest.mark.parametrize(
    ("typed", "found"),
    [("2", "2"), ("1-2a", "1 2 2A"), ("3, 1", "1 3"), ("4-5", "4-5"), ("2A-4-5", "2A 3 4-5"), ("1-1", "1")],
)
def test_scenes_are_named_one_by_one_and_from_to(typed: str, found: str) -> None:
    assert scenes_in(typed, NUMBERS) == frozenset(found.split())


@pytest.mark.parametrize("typed", ["9", "1-9", "3-1", "", " , ", "-2", "1-"])
def test_scenes_that_are_not_there_get_a_sentence(typed: str) -> None:
    with pytest.raises(InvalidRequest):
        scenes_in(typed, NUMBERS)


def test_takes_are_by_shot() -> None:
    shots = [Shot("abc", "1", number, "action", "INT. X", "", Lines(1, 1), 24) for number in (1,)]
    assert takes_in(["sc1_sh010:3"], shots) == {"abc": 3}
    for wrong in ("SC1_SH020:1", "SC1_SH010", "SC1_SH010:0", "SC1_SH010:x"):
        with pytest.raises(InvalidRequest):
            takes_in([wrong], shots)
