from __future__ import annotations

from fractions import Fraction

import pytest

from diffscaler.errors import ScriptError
from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.rates import RATES, frames_of, rate_of
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.sentences import beats, sentences
from diffscaler.screenplay.shot import Shot, edit, merge, renumbered, split
from diffscaler.screenplay.shots import draft
from tests.screenplay.test_read import SAMPLE


def drafted(body: str, heading: str = "INT. BAR - NIGHT", rate: str = "24") -> list[Shot]:
    return list(draft(read_fountain(f"{heading}\n\n{body}"), rate))


def test_a_heading_is_an_establishing_shot_wider_outside():
    assert [(s.role, s.size, s.lines) for s in drafted("")] == [("establishing", "wide", Lines(1, 1))]
    assert drafted("", "EXT. FIELD")[0].size == "extreme wide"


def test_a_scene_that_goes_on_in_the_same_place_is_not_established_again():
    shots = drafted("He sits.\n\nINT. BAR - CONTINUOUS\n\nHe stands.\n")
    assert [(shot.scene, shot.role) for shot in shots] == [("1", "establishing"), ("1", "action"), ("2", "action")]


def test_action_becomes_a_shot_for_one_or_two_sentences_with_their_lines():
    shots = drafted(
        "Ben walks to the bar. He sits.\nA long sentence about the many bottles and what stands between them all.\n"
        "Another sentence that is long enough to be alone in its shot, or nearly so.\n\nA glass falls."
    )[1:]
    assert [(shot.text[:10], shot.lines) for shot in shots] == [
        ("Ben walks ", Lines(3, 4)), ("Another se", Lines(5, 5)), ("A glass fa", Lines(7, 7))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("CLOSE ON the glass.", "size", "close-up"),
        ("WIDE: the whole bar.", "size", "wide"),
        ("INSERT - the letter.", "size", "insert"),
        ("Her hands.", "size", "insert"),
        ("We see it from above.", "angle", "high"),
        ("BEN'S POV: a door.", "angle", "point of view"),
        ("We pan across the bar.", "move", "pan right"),
        ("The camera pans slowly left.", "move", "pan left"),
        ("Slow push in on the glass.", "move", "push in"),
        ("A dog runs through.", "move", "tracking"),
        ("A glass stands there.", "move", "static"),
    ],
)
def test_words_of_the_script_say_how_a_shot_is_taken(text, field, value):
    assert getattr(drafted(text)[1], field) == value


def test_an_exchange_is_over_shoulders_first_and_close_ups_then():
    talk = "\n\n".join(f"{name}\nSomething is said here." for name in ("ANN", "BEN", "ANN", "BEN"))
    shots = drafted(talk)[1:]
    assert [shot.size for shot in shots] == ["over the shoulder", "over the shoulder", "close-up", "close-up"]
    assert [shot.characters for shot in shots] == [("ANN", "BEN"), ("BEN", "ANN"), ("ANN",), ("BEN",)]
    assert shots[0].dialogue == ("Something is said here.",)


def test_who_is_alone_has_a_medium_close_up():
    assert drafted("ANN\nNobody here.")[1].size == "medium close-up"


def test_who_is_only_heard_is_played_on_the_listeners_face():
    shot = drafted("Ann sits.\n\nANN\nHello?\n\nBEN (V.O.)\nI am late.\n")[-1]
    assert (shot.characters, shot.speakers, shot.size) == (("ANN",), ("BEN",), "close-up")
    assert drafted("BEN (O.S.)\nIs anybody here?")[-1].characters == ()


def test_two_who_speak_at_once_share_a_shot():
    shot = drafted("ANN\nYes.\n\nBEN ^\nNo, not at all, and I will say why.\n")[-1]
    assert (shot.speakers, shot.size, shot.characters) == (("ANN", "BEN"), "medium", ("ANN", "BEN"))
    assert shot.dialogue == ("Yes.", "No, not at all, and I will say why.")


def test_a_long_speech_turns_to_the_listener():
    speech = "This sentence has exactly eight words in it. " * 8
    shots = drafted(f"ANN\nWell?\n\nBEN\n{speech}\n")[2:]
    assert len(shots) > 2
    assert [shot.characters[0] for shot in shots[:3]] == ["BEN", "ANN", "BEN"]
    assert " ".join(part for shot in shots for part in shot.dialogue) == speech.strip()


def test_transitions_stand_on_the_shot_they_end():
    shots = draft(read_fountain("FADE IN:\n\nINT. A\n\nHe waits.\n\nCUT TO:\n\nINT. B\n\nShe waits.\n\n> FADE OUT.\n"))
    assert [(shot.begins, shot.ends) for shot in shots] == [
        ("FADE IN:", ""), ("", "CUT TO:"), ("", ""), ("", "FADE OUT.")
    ]  # fmt: skip


def test_what_is_not_printed_is_not_filmed():
    assert len(drafted("# Act\n\n= Syn\n\n[[note]]\n\n/* gone */\n")) == 1


@pytest.mark.parametrize("rate", RATES)
def test_lengths_are_whole_frames_by_reading_speed_and_eighths(rate):
    words = " ".join(["word"] * 25)
    _, action, speech = drafted(f"He waits and looks.\n\nANN\n{words}\n", rate=rate)
    assert isinstance(speech.frames, int)
    assert abs(speech.frames / rate_of(rate) - Fraction(106, 10)) <= 1 / rate_of(rate)  # 25 words, and a breath
    assert abs(action.frames / rate_of(rate) - Fraction(120, 55)) <= 1 / rate_of(rate)  # two lines of 55 a minute


def test_the_draft_lasts_about_as_long_as_the_pages_say():
    shots = draft(read_script(SAMPLE))
    assert 40 <= len(shots) <= 70
    assert sum(shot.frames for shot in shots) / 24 == pytest.approx(195, rel=0.15)
    assert len({shot.id for shot in shots}) == len(shots)


def test_the_same_script_gets_the_same_ids_whatever_the_rate():
    script = read_script(SAMPLE)
    assert [shot.id for shot in draft(script, "24")] == [shot.id for shot in draft(script, "29.97")]


def test_a_rate_that_is_none():
    with pytest.raises(ScriptError, match=r"60 is no frame rate.*23\.976, 24, 25"):
        draft(read_script(SAMPLE), "60")
    assert frames_of(0.0, RATES["24"]) == 1


def test_sentences_end_where_they_end():
    text = 'Mr. Hale enters. "Stop!" He looks at J. Smith… then leaves.\nRain.'
    assert [part for _, part in sentences(text)] == [
        "Mr. Hale enters.", '"Stop!"', "He looks at J. Smith… then leaves.", "Rain."
    ]  # fmt: skip
    assert beats("Aa. Bb. Cc.", 4) == [(0, "Aa."), (4, "Bb."), (8, "Cc.")]


def test_what_a_person_sets_is_remembered_and_a_locked_shot_refuses():
    shot = drafted("He waits.")[1]
    changed = edit(shot, size="close-up", frames=shot.frames)
    assert (changed.size, changed.edited) == ("close-up", ("size",))
    locked = edit(changed, locked=True)
    with pytest.raises(ScriptError, match="is locked"):
        edit(locked, frames=9)
    assert edit(locked, locked=False).locked is False
    with pytest.raises(ScriptError, match="one frame"):
        edit(shot, frames=0)


def test_a_shot_splits_and_merges_without_losing_a_frame():
    shot = drafted("ANN\nHello there.")[1]
    one, two = split(shot, 10)
    assert (one.frames, two.frames, one.id == two.id) == (10, shot.frames - 10, False)
    assert (one.dialogue, two.dialogue) == (shot.dialogue, ())
    merged = merge(one, two)
    assert (merged.id, merged.frames, merged.dialogue) == (shot.id, shot.frames, shot.dialogue)
    assert [s.name for s in renumbered((one, two))] == ["SC1_SH010", "SC1_SH020"]
    with pytest.raises(ScriptError, match="cannot be split"):
        split(shot, shot.frames)
