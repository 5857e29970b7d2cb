from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.errors import ScriptError
from diffscaler.screenplay.rates import RATE_NAMES
from diffscaler.screenplay.read import read_script
from diffscaler.screenplay.script import Lines
from diffscaler.screenplay.shot import ANGLES, MOVES, ROLES, SIZES, Shot, edit
from diffscaler.screenplay.shot_table import COLUMNS, ShotList, csv_of, read_csv, taken_over
from diffscaler.screenplay.shots import draft
from tests.screenplay.test_read import SAMPLE

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30) | st.sampled_from(
    ("=1+1", "'quoted", '"a";,b', "two\nlines", "carriage\rreturn", "-5", "@cmd", "é…")
)
CELL = TEXT.filter(lambda text: text and "\n" not in text)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAMES = st.lists(CELL, max_size=3).map(tuple)
SHOTS = st.builds(
    Shot, id=IDS, scene=CELL, number=st.integers(0, 999), role=st.sampled_from(ROLES), heading=TEXT, text=TEXT,
    lines=st.builds(Lines, st.integers(0, 9999), st.integers(0, 9999)), frames=st.integers(1, 10**6),
    size=st.sampled_from(SIZES), angle=st.sampled_from(ANGLES), move=st.sampled_from(MOVES), characters=NAMES,
    speakers=NAMES, dialogue=NAMES, manner=TEXT, begins=TEXT, ends=TEXT, prompt=TEXT, note=TEXT, locked=st.booleans(),
    edited=NAMES, source=NAMES, part_of=st.just("") | IDS,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(RATE_NAMES), st.lists(SHOTS, min_size=1, max_size=4, unique_by=lambda shot: shot.id))
def test_a_shot_list_opens_as_it_was_saved(rate, shots):
    saved = ShotList(rate, tuple(shots))
    assert read_csv(csv_of(saved).encode("utf-8-sig").decode("utf-8-sig")) == saved


def test_no_cell_is_a_formula_to_a_spreadsheet():
    shot = replace(draft(read_script(SAMPLE))[0], note="=HYPERLINK(1)")
    assert ",'=HYPERLINK(1)," in csv_of(ShotList("24", (shot,)))


def test_semicolons_and_few_columns_do():
    found = read_csv("\ufeffScene;Text;Size\r\n1;A dog runs.;close-up\r\n1;A dog sits.;\r\n", "25")
    assert [(s.scene, s.number, s.text, s.size, s.frames) for s in found.shots] == [
        ("1", 1, "A dog runs.", "close-up", 75), ("1", 2, "A dog sits.", "medium", 75)
    ]  # fmt: skip
    assert len({shot.id for shot in found.shots}) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column scene and text"),
        ("", "no column"),
        ("scene,text,size\n1,x,huge\n", "Line 2: 'huge' is no size"),
        ("scene,text,frames\n1,x,2.5\n", "Line 2: '2.5' is no number of frames"),
        ("scene,text,frames\n1,x,0\n", "no number of frames"),
        ("scene,text,rate\n1,x,24\n1,y,25\n", "several rates: 24, 25"),
        ("scene,text,rate\n1,x,60\n", "60 is no frame rate"),
        ("id,scene,text\na,1,x\na,1,y\n", "Line 3: there are two shots a"),
        ('id,scene,text\na,1,x\n"""><script>",1,y\n', "Line 3: '\"><script>' is no id"),
        ("id,scene,text\n../../x,1,x\n", "Line 2: '../../x' is no id"),
        (f"id,scene,text\n{'a' * 101},1,x\n", "is no id"),
        ("part_of,scene,text\na b,1,x\n", "'a b' is no part_of"),
    ],
)
def test_a_table_that_is_no_shot_list(text, said):
    with pytest.raises(ScriptError, match=said) as caught:
        read_csv(text)
    assert caught.value.hint


def test_what_was_changed_in_a_spreadsheet_counts_as_set_by_a_person():
    before = draft(read_script(SAMPLE))
    locked = edit(before[2], locked=True)
    opened = [replace(before[0], frames=12), before[1], replace(locked, text="other")]
    first, second, third = taken_over(opened, (*before[:2], locked))
    assert (first.frames, first.edited) == (12, ("frames",))
    assert second == before[1]
    assert third == locked
    assert COLUMNS[0] == "name"
