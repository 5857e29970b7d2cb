"""Every feature of Fountain's syntax page, one test each."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.fountain_writer import fountain_of
from diffscaler.screenplay.script import Lines, Script
from tests.screenplay.builders import SCRIPTS, told, unplaced


def read(text: str) -> Script:
    return read_fountain(dedent(text).removeprefix("\n"))


@pytest.mark.parametrize(
    "line",
    ["INT. HOUSE - DAY", "int. house - day", "EXT. FIELD", "I/E CAR", "I/E. CAR", "INT./EXT. BUS", "INT/EXT BUS",
     "EST. CITY", ".BINOCULARS"],
)  # fmt: skip
def test_scene_headings_in_any_case_and_forced(line):
    script = read_fountain(f"Somebody waits.\n\n{line}\n\nMore.")
    assert told(script)[1] == ("heading", line.removeprefix("."))
    assert len(script.scenes) == 1


@pytest.mark.parametrize("line", ["...and then he ran.", "INTERIOR. HOUSE", "Interesting.", "EXTRA LOUD NOISES"])
def test_what_only_resembles_a_heading_is_action(line):
    assert told(read_fountain(f"{line}\n")) == [("action", line)]


@pytest.mark.parametrize("number", ["1", "1A", "1a", "I-1-A", "110-A", "1.b"])
def test_scene_numbers(number):
    scene = read_fountain(f"INT. HOUSE - DAY #{number}#").scenes[0]
    assert (scene.number, scene.element.text) == (number, "INT. HOUSE - DAY")


def test_a_scene_without_a_number_is_counted():
    assert [scene.number for scene in read("INT. A\n\nINT. B #7#\n\nINT. C\n").scenes] == ["1", "7", "3"]


@pytest.mark.parametrize(
    ("heading", "setting", "place", "time"),
    [
        ("INT. HOUSE - KITCHEN - NIGHT", "INT", "HOUSE - KITCHEN", "NIGHT"),
        ("EXT. BEACH – SUNSET", "EXT", "BEACH", "SUNSET"),
        ("int./ext. car - moments later", "INT/EXT", "car", "moments later"),
        ("I/E FIELD", "INT/EXT", "FIELD", ""),
        ("EXT. JOHN'S HOUSE, DAY", "EXT", "JOHN'S HOUSE", "DAY"),
        ("EXT. WELL-KEPT GARDEN - LATE AFTERNOON", "EXT", "WELL-KEPT GARDEN", "LATE AFTERNOON"),
        ("FLASHBACK", "", "FLASHBACK", ""),
        ("EXT. ROAD - MAGIC HOUR", "EXT", "ROAD", "MAGIC HOUR"),
    ],
)
def test_a_heading_says_where_and_when(heading, setting, place, time):
    found = read_fountain(f".{heading}").scenes[0].heading
    assert (found.setting, found.place, found.time) == (setting, place, time)


def test_a_character_speaks_with_parentheticals():
    script = read("""
        STEEL
        (beer raised)
        To retirement.
        To us.
        """)
    assert told(script) == [
        ("character", "STEEL"), ("parenthetical", "(beer raised)"), ("dialogue", "To retirement.\nTo us.")
    ]  # fmt: skip
    assert [element.lines for element in script.elements] == [Lines(1, 1), Lines(2, 2), Lines(3, 4)]


@pytest.mark.parametrize("cue", ["MOM (O. S.)", "HANS (on the radio)", "R2D2", "ÉLODIE", "DR. O'NEIL (CONT'D)"])
def test_cues_with_extensions(cue):
    assert told(read_fountain(f"\n{cue}\nHello.")) == [("character", cue), ("dialogue", "Hello.")]


@pytest.mark.parametrize(("cue", "name"), [("MOM (O. S.)", "MOM"), ("McClane (V.O.) (CONT'D)", "MCCLANE")])
def test_a_cue_names_its_character(cue, name):
    assert read_fountain(f"INT. A\n\n@{cue}\nHello.").characters[0].name == name


def test_a_forced_character_in_lower_case():
    assert told(read_fountain("@McCLANE\nYippie ki-yay!"))[0] == ("character", "McCLANE")


@pytest.mark.parametrize("text", ["23\nHello.", "BOOM!\n\nA door.", "Bob\nHello."])
def test_what_is_no_cue(text):
    assert {kind for kind, _ in told(read_fountain(text))} == {"action"}


def test_dual_dialogue():
    script = read("INT. BAR\n\nBRICK\nScrew retirement.\n\nSTEEL ^\nScrew retirement.\n")
    first, second = script.scenes[0].speeches
    assert (first.dual, second.dual, second.character) == (False, True, "STEEL")


def test_two_spaces_keep_a_blank_line_in_a_speech():
    assert told(read_fountain("DEALER\nTen.\n  \nFour.\n\nMonty looks."))[1:] == [
        ("dialogue", "Ten.\n\nFour."), ("action", "Monty looks.")
    ]  # fmt: skip


def test_forced_action_keeps_its_capitals():
    assert told(read_fountain("!SCANNING THE AISLES...\nWhere is that pit boss?")) == [
        ("action", "SCANNING THE AISLES...\nWhere is that pit boss?")
    ]


def test_action_keeps_its_indents_and_tabs_become_spaces():
    assert told(read_fountain("A letter.\n\tDear Ann,\n        yes.")) == [
        ("action", "A letter.\n    Dear Ann,\n        yes.")
    ]


def test_an_indented_script_is_read_by_its_words():
    script = read_fountain("    INT. HOUSE - DAY\n\n\t\t\tBOB\n\t\t(low)\n\t\tHi.")
    assert [kind for kind, _ in told(script)] == ["heading", "character", "parenthetical", "dialogue"]


@pytest.mark.parametrize("line", ["CUT TO:", "SMASH CUT TO:", "> Burn to white.", ">FADE OUT."])
def test_transitions_by_form_and_forced(line):
    assert told(read_fountain(f"A.\n\n{line}\n\nB."))[1] == ("transition", line.lstrip("> "))


def test_a_transition_needs_blank_lines_around_it():
    assert ("transition", "CUT TO:") not in told(read_fountain("A.\n\nCUT TO:\nmore"))


def test_centred_text():
    assert told(read_fountain("> THE END <\n> truly <")) == [("centred", "THE END"), ("centred", "truly")]


def test_lyrics_alone_and_in_a_speech():
    script = read_fountain("~Willy Wonka!\n~The amazing\n\nSAM\n~La la\nWell.")
    assert told(script) == [
        ("lyric", "Willy Wonka!\nThe amazing"), ("character", "SAM"), ("lyric", "La la"), ("dialogue", "Well.")
    ]  # fmt: skip


def test_sections_and_synopses():
    script = read("# Act\n\n= It begins.\n\n## Sequence\nINT. A\n")
    assert [(e.kind, e.text, e.depth) for e in script.elements] == [
        ("section", "Act", 1), ("synopsis", "It begins.", 0), ("section", "Sequence", 2), ("heading", "INT. A", 0)
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["===", "========="])
def test_page_breaks(line):
    assert told(read_fountain(f"A.\n\n{line}\n\nB.")) == [("action", "A."), ("page_break", ""), ("action", "B.")]


def test_a_note_on_its_own_and_one_within():
    script = read("[[Check the date.]]\n\nHe runs [[how?]] fast.\n\nSAM\nYes. [[no]]\n")
    assert told(script)[0] == ("note", "Check the date.")
    assert script.elements[1].plain == "He runs  fast."
    assert script.elements[3].plain == "Yes."


def test_a_note_over_several_lines_hides_what_is_in_it():
    script = read_fountain("[[one\nINT. TWO\n# three\n  \nCUT TO:]]\n\nA.")
    assert told(script) == [("note", "one\nINT. TWO\n# three\n\nCUT TO:"), ("action", "A.")]
    assert script.elements[0].lines == Lines(1, 5)


def test_a_note_that_is_never_closed_is_text():
    assert told(read_fountain("[[open\n\nINT. A")) == [("action", "[[open"), ("heading", "INT. A")]


def test_a_boneyard_over_scenes_hides_them_and_keeps_the_count_of_lines():
    script = read_fountain("INT. A\n\nOne.\n\n/*\nINT. B\n\nTwo.\n*/\n\nINT. C\n\nThr/* x\ny */ee.\nFour.")
    assert [scene.element.text for scene in script.scenes] == ["INT. A", "INT. C"]
    assert script.elements[-2] == script.scenes[1].elements[0]
    assert (script.scenes[1].elements[0].text, script.scenes[1].elements[0].lines) == ("Three.\nFour.", Lines(13, 15))
    assert [e.text for e in script.elements if e.kind == "boneyard"] == ["INT. B\n\nTwo.", "x\ny"]


def test_a_boneyard_line_parts_no_speech():
    assert told(read_fountain("SAM\n/* angry */\nHello."))[:2] == [("character", "SAM"), ("dialogue", "Hello.")]


def test_a_boneyard_that_is_never_closed_is_text():
    assert told(read_fountain("A /* b.")) == [("action", "A /* b.")]


def test_a_title_page_with_several_lines():
    page = read(
        "Title:\n    _**BRICK & STEEL**_\n\tFULL RETIRED\nCredit: Written by\nAuthor: Stu\n\nINT. A\n"
    ).title_page
    assert page.entries == (
        ("Title", "_**BRICK & STEEL**_\nFULL RETIRED"), ("Credit", "Written by"), ("Author", "Stu")
    )  # fmt: skip
    assert (page.title, page.author) == ("BRICK & STEEL FULL RETIRED", "Stu")


@pytest.mark.parametrize("text", ["FADE IN:\n\nA.", "CUT TO:\n\nA.", "INT. A: B\n\nA."])
def test_what_is_no_title_page(text):
    assert read_fountain(text).title_page.entries == ()


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("*a* **b** ***c*** _d_", "a b c d"),
        (r"\*a\* 2 * 3 * 4 snake_case", "*a* 2 * 3 * 4 snake_case"),
        ("_*both*_ and **bold *and* more**", "both and bold and more"),
        ("*left open\nclosed* here", "*left open\nclosed* here"),
    ],
)
def test_emphasis_marks(marked, plain):
    assert read_fountain(f"!{marked}").elements[0].plain == plain


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ends(end):
    script = read_fountain(end.join(["\ufeffTitle: A", "", "INT. B", "", "SAM", "Hi."]))
    assert (script.title_page.title, told(script)[0], script.elements[-1].lines) == (
        "A",
        ("heading", "INT. B"),
        Lines(6, 6),
    )


@settings(max_examples=400, deadline=None)
@given(SCRIPTS)
def test_what_is_written_is_read_again_as_it_was(script):
    assert unplaced(read_fountain(fountain_of(script))) == unplaced(script)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*"aB.!@>~<#=[]*_^():\n\n\n -0İß", "/*b*/", "/*b\n\nc*/", "\nSAM\n"]), max_size=80).map(
        "".join
    )
)
def test_any_text_is_a_script_and_survives_being_written(text):
    script = read_fountain(text)
    assert unplaced(read_fountain(fountain_of(script))) == unplaced(script)
