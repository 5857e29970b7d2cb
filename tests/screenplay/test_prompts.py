from __future__ import annotations

import pytest

from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.people import described, introductions, named_in
from diffscaler.screenplay.prompts import Reduced, reduced, with_prompts
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.shot import edit
from diffscaler.screenplay.shots import draft
from diffscaler.settings import ROOT
from diffscaler.text2video.vocabulary import read_prompt
from tests.screenplay.test_read import SAMPLE

MINI = ROOT / "assets" / "models" / "mini"


def prompts(body: str, **more: object) -> list[str]:
    return [shot.prompt for shot in draft(read_fountain(f"EXT. BEACH - SUNSET\n\n{body}"), **more)][1:]  # type: ignore[arg-type]


def test_place_time_action_looks_move_and_look_are_in_the_prompt():
    assert prompts("ANN (a woman in red) walks. We pan right over the sea.", look="16 mm") == [
        "Medium shot. EXT. BEACH - SUNSET. A woman in red walks. We pan right over the sea. Pan right. 16 mm."
    ]


def test_the_cast_sheet_comes_before_what_the_script_says():
    assert prompts("ANN (a woman) waits.", appearance={"ANN": "an old lady"}) == [
        "Medium shot. EXT. BEACH - SUNSET. An old lady waits."
    ]


def test_a_name_without_looks_stays_a_name_and_a_pronoun_gets_one():
    assert prompts("ANN\nHi.\n\nShe waits.\n", appearance={"ANN": ""}) == [
        "Medium close-up. EXT. BEACH - SUNSET. Ann talks.", "Medium shot. EXT. BEACH - SUNSET. Ann waits."
    ]  # fmt: skip


def test_who_talks_with_whom_and_how():
    said = prompts("ANN (a woman) and BEN (a man) wait.\n\nANN\n(laughing)\nHi.\n\nBEN\nHo.\n\nANN\nHi.\n")
    assert said[1:] == [
        "Over the shoulder shot. EXT. BEACH - SUNSET. A woman talks with a man, laughing.",
        "Over the shoulder shot. EXT. BEACH - SUNSET. A man talks with a woman.",
        "Close-up. EXT. BEACH - SUNSET. A woman talks.",
    ]


def test_a_title_has_no_prompt():
    assert prompts("> THE END <") == [""]


def test_a_prompt_a_person_wrote_stays():
    shots = draft(read_script(SAMPLE))
    mine = edit(shots[3], prompt="my own words")
    again = with_prompts((*shots[:3], mine), {}, "noir")
    assert again[3].prompt == "my own words"
    assert again[1].prompt.endswith("noir.")


def test_introductions_and_mentions():
    script = read_fountain("INT. A\n\nDR. O'NEIL (50s, a tall man) meets ANNA MAY (a girl). ANN (x) too.\n")
    assert introductions(script) == {"DR. O'NEIL": "50s, a tall man", "ANNA MAY": "a girl"}
    assert named_in("Anna May sees Dr. O'Neil. An annex.", ("DR. O'NEIL", "ANN", "ANNA MAY")) == (
        "ANNA MAY",
        "DR. O'NEIL",
    )


def test_a_second_mention_is_the_same_person():
    text = "ANN (a tall woman) runs. Ann's dog sees Ann."
    assert described(text, {"ANN": "a tall woman"}) == "A tall woman runs. The tall woman's dog sees the tall woman."


@pytest.mark.parametrize(
    ("prompt", "text", "dropped"),
    [
        ("Wide shot. EXT. BEACH - SUNSET. A dog runs right, pan right.", None, ()),
        ("Close-up. INT. ROOM - NIGHT. Mira talks.", "Close-up. INT. ROOM - NIGHT. stands.", ("mira",)),
        ("A bird flies over it. Tracking shot.", "A bird flies.", ("tracking",)),
        ("A dog in front of them barks at the moon.", "A dog.", ("barks", "moon")),
        ("Gibberish only.", "", ("gibberish", "only")),
    ],
)
def test_a_prompt_for_mini_has_only_words_it_knows_and_names_the_others(prompt, text, dropped):
    found = reduced(prompt, MINI)
    assert found.text == (prompt if text is None else text)
    assert found.dropped == dropped


def test_no_prompt_of_the_bundled_script_leaves_mini_a_word_it_does_not_know():
    drawn = 0
    for shot in draft(read_script(SAMPLE)):
        text = reduced(shot.prompt, MINI).text
        reading = read_prompt(MINI, text)
        assert reading is not None and reading.ignored == () and reading.cut == 0
        drawn += any(word in text.lower() for word in ("woman", "man", "dog", "bus", "bird", "rabbit", "boat"))
    assert drawn >= 45


def test_a_model_without_a_word_list_gets_the_prompt_as_it_is(tmp_path):
    assert reduced("Anything at all.", tmp_path) == Reduced("Anything at all.")
