from __future__ import annotations

import pytest

from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.pages import eighths_of, pages_in_words, pages_of, running_time_s
from diffscaler.screenplay.read import read_script
from tests.screenplay.test_read import SAMPLE


def test_the_bundled_script_has_about_three_pages_and_as_many_minutes():
    script = read_script(SAMPLE)
    assert 2.6 <= pages_of(script.elements) <= 3.4
    assert running_time_s(script) == pytest.approx(60 * pages_of(script.elements), abs=30)
    assert [character.name for character in script.characters] == ["OTTO", "MIRA", "JONAS"]


def test_two_who_speak_at_once_take_the_room_of_the_longer_one():
    one = "ANN\n" + "Word. " * 60
    alone = pages_of(read_fountain(f"{one}\n").elements)
    assert pages_of(read_fountain(f"{one}\n\nBEN ^\nHi.\n").elements) == alone
    assert pages_of(read_fountain(f"{one}\n\nBEN\nHi.\n").elements) > alone


def test_what_is_not_printed_takes_no_room():
    text = "INT. A\n\nHe waits.\n\n"
    assert pages_of(read_fountain(f"{text}# Act\n\n= Syn\n\n[[note]]\n\n/* no */\n").elements) == pages_of(
        read_fountain(text).elements
    )


def test_the_shortest_scene_has_an_eighth():
    assert eighths_of(read_fountain("INT. A\n").scenes[0]) == 1


@pytest.mark.parametrize(("eighths", "words"), [(1, "1/8"), (8, "1"), (19, "2 3/8"), (0, "0")])
def test_eighths_as_a_breakdown_sheet_writes_them(eighths, words):
    assert pages_in_words(eighths) == words
