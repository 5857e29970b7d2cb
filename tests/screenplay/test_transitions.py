"""Transitions of a script as frames: the film keeps its length, and no shot is eaten up by them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.models.catalogue import Catalogue
from diffscaler.screenplay.compile import Film, compiled_film
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.shots import draft
from diffscaler.screenplay.transitions import Edges, edges_of, kind_of
from diffscaler.settings import Settings
from tests.screenplay.test_read import SAMPLE


@pytest.mark.parametrize(
    ("text", "kind"),
    [("DISSOLVE TO:", "dissolve"), ("LAP DISSOLVE TO:", "dissolve"), ("Crossfade to:", "dissolve"),
     ("CROSS-FADE TO:", "dissolve"), ("FADE TO:", "dissolve"), ("FADE IN:", "fade in"), ("Fade up on:", "fade in"),
     ("FADE OUT.", "fade out"), ("FADE TO BLACK.", "fade out"), ("SLOW FADE OUT.", "fade out"), ("CUT TO:", "cut"),
     ("SMASH CUT TO:", "cut"), ("MATCH CUT TO:", "cut"), ("WIPE TO:", "cut"), ("FADE TO WHITE.", "cut"), ("", "cut")],
)  # fmt: skip
def test_what_a_transition_is_drawn_as(text, kind):
    assert kind_of(text) == kind


def shot(frames: int = 48, begins: str = "", ends: str = "", name: str = "a") -> Shot:
    return Shot(name, "1", 1, "action", "INT. X - DAY", "A dog.", Lines(1, 1), frames, begins=begins, ends=ends)


@pytest.mark.parametrize(("rate", "frames"), [("23.976", 12), ("24", 12), ("25", 12), ("29.97", 14), ("30", 14)])
def test_a_dissolve_is_half_a_second_with_the_cut_in_its_middle(rate, frames):
    one, other = edges_of([shot(ends="DISSOLVE TO:"), shot()], rate)
    assert one == Edges(dissolve_out=frames) and other == Edges(dissolve_in=frames)
    assert one.tail == other.head == frames // 2 and one.head == other.tail == 0


def test_fades_lie_within_their_shots_and_short_shots_have_short_ones():
    first, last = edges_of([shot(begins="FADE IN:"), shot(5, ends="FADE OUT.")], "24")
    assert first == Edges(fade_in=12) and last == Edges(fade_out=2)
    assert edges_of([shot(3, ends="DISSOLVE TO:"), shot()], "24")[1].dissolve_in == 2
    assert edges_of([shot(1, begins="FADE IN:", ends="DISSOLVE TO:"), shot()], "24") == (Edges(), Edges())
    assert edges_of([shot(ends="DISSOLVE TO:"), shot()], "24", 0) == (Edges(), Edges())


def test_a_dissolve_after_the_last_shot_is_a_cut():
    assert edges_of([shot(ends="DISSOLVE TO:")], "24") == (Edges(),)


TEXTS = st.sampled_from(("", "CUT TO:", "DISSOLVE TO:", "FADE OUT.", "FADE IN:", "FADE TO BLACK."))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.builds(shot, st.integers(1, 60), TEXTS, TEXTS), min_size=1, max_size=8),
    st.sampled_from(RATE_NAMES),
    st.floats(0, 10),
)
def test_transitions_never_meet_within_a_shot(shots, rate, seconds):
    edges = edges_of(shots, rate, seconds)
    for one, at in zip(shots, edges, strict=True):
        assert max(at.head, at.fade_in) + max(at.tail, at.fade_out) <= one.frames
        assert not (at.head and at.fade_in) and not (at.tail and at.fade_out)
        assert at.dissolve_in % 2 == at.dissolve_out % 2 == 0
    assert all(one.dissolve_out == other.dissolve_in for one, other in pairwise(edges))
    assert edges[0].dissolve_in == edges[-1].dissolve_out == 0


def test_shots_at_a_dissolve_are_drawn_with_handles_whatever_else_is_drawn(settings: Settings):
    shots = draft(read_script(SAMPLE), "24")
    film = Film(Catalogue(settings).spec("mini", "text2video"))
    whole = {one.shot.id: one for one in compiled_film(shots, film)}
    assert len(whole) == len(shots)
    longer = {one.shot.name: one.request.frames - one.shot.frames for one in whole.values()}
    assert {name: more for name, more in longer.items() if more} == {
        [shot.name for shot in shots if shot.scene == "3"][-1]: 6,
        "SC4_SH010": 6,
    }
    for one in compiled_film(shots, film, {"4"}):
        assert one == whole[one.shot.id]
    assert all(one.request.frames == one.shot.frames for one in compiled_film(shots, Film(film.model, dissolve_s=0)))
