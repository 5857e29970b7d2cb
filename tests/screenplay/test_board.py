"""The script changes; what was made for it stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.screenplay.board import Board, reimport
from diffscaler.screenplay.fountain import read_fountain
from diffscaler.screenplay.shot import Shot, edit, merge, renumbered, split
from diffscaler.screenplay.shots import draft
from tests.screenplay.test_read import SAMPLE

TEXT = SAMPLE.read_text(encoding="utf-8")


def shots_of(text: str) -> tuple[Shot, ...]:
    return draft(read_fountain(text))


def board_of(text: str = TEXT) -> Board:
    return Board(shots_of(text))


def again(board: Board, old: str, new: str, text: str = TEXT) -> Board:
    assert old in text
    return reimport(board, shots_of(text.replace(old, new, 1)))


def ids(board: Board) -> list[str]:
    return [shot.id for shot in board.shots]


def shot_saying(board: Board, words: str) -> Shot:
    return next(shot for shot in board.shots if words in shot.text)


def test_the_same_script_changes_nothing():
    board = board_of()
    assert reimport(board, shots_of(TEXT)) == board


def test_an_edited_line_keeps_its_shot_and_is_marked_with_what_changed():
    board = board_of()
    now = again(board, "A boat sails left. A bird flies past.", "A white boat sails left. Two birds fly past.")
    assert ids(now) == ids(board)
    ((shot_id, change),) = now.stale.items()
    assert shot_id == shot_saying(board, "A boat sails").id
    assert (change.field, change.line) == ("text", 133)
    assert str(change).startswith("Line 133: “A boat sails left.")
    assert "white boat" in shot_saying(now, "Two birds").prompt
    assert now.refreshed(shot_id).stale == {}


@pytest.mark.parametrize(("old", "new"), [("Does my father know?", "Does Father know that?"), ("And?", "And then?")])
def test_short_lines_are_found_again_too(old, new):
    board = board_of()
    now = again(board, old, new)
    assert ids(now) == ids(board)
    assert [change.field for change in now.stale.values()] == ["dialogue"]


def test_case_and_punctuation_make_nothing_stale():
    board = board_of()
    now = again(board, "He saw us.", "He SAW us!")
    assert (ids(now), now.stale) == (ids(board), {})
    assert shot_saying(now, "He SAW us!").dialogue == ("He SAW us!",)


def test_a_line_undone_is_not_stale_any_more():
    board = board_of()
    changed = again(board, "A boat sails left.", "A red boat sails left.")
    assert changed.stale
    assert reimport(changed, shots_of(TEXT)) == board


def test_a_new_line_gets_a_new_shot_and_no_other_is_touched():
    board = board_of()
    now = again(board, "The bus passes.", "A horse gallops over the road.\n\nThe bus passes.")
    fresh = [shot for shot in now.shots if shot.id not in ids(board)]
    assert [shot.text for shot in fresh] == ["A horse gallops over the road."]
    assert [shot_id for shot_id in ids(now) if shot_id != fresh[0].id] == ids(board)
    assert now.stale == {} and now.orphans == ()


def test_a_line_that_is_gone_leaves_an_orphan_which_comes_back_with_it():
    board = board_of()
    gone = shot_saying(board, "A boat sails")
    now = again(board, "A boat sails left. A bird flies past.\n\n", "")
    assert [shot.id for shot in now.orphans] == [gone.id]
    back = reimport(now, shots_of(TEXT))
    assert (back.shots, back.orphans) == (board.shots, ())


def test_what_was_never_made_need_not_be_kept():
    board = board_of()
    gone = shot_saying(board, "A boat sails")
    text = shots_of(TEXT.replace("A boat sails left. A bird flies past.\n\n", ""))
    assert reimport(board, text, worth_keeping=()).orphans == ()
    assert reimport(board, text, worth_keeping={gone.id}).orphans == (gone,)


def test_a_moved_line_takes_its_shot_along():
    board = board_of()
    line = "The rabbit hops left. The dog lets it go.\n\n"
    text = TEXT.replace(line, "").replace("A boat sails left.", f"{line}A boat sails left.")
    now = reimport(board, shots_of(text))
    moved = shot_saying(now, "The rabbit hops")
    assert (moved.id, moved.scene) == (shot_saying(board, "The rabbit hops").id, "4")
    assert now.stale[moved.id].field == "heading"
    assert set(ids(now)) == set(ids(board)) and now.orphans == ()


def test_scenes_that_change_places_keep_their_shots():
    board = board_of()
    head, road = TEXT.split("EXT. ROAD - DAY #2#")
    road, forest = road.split("EXT. FOREST - DAY #3#")
    forest, beach = forest.split("DISSOLVE TO:", 1)
    text = f"{head}EXT. FOREST - DAY #3#{forest}EXT. ROAD - DAY #2#{road}DISSOLVE TO:{beach}"
    now = reimport(board, shots_of(text))
    assert set(ids(now)) == set(ids(board))
    assert (now.stale, now.orphans) == ({}, ())


def test_another_heading_makes_all_of_its_scene_stale():
    board = board_of()
    now = again(board, "EXT. BEACH - SUNSET", "EXT. DESERT - NIGHT")
    assert ids(now) == ids(board)
    scene = [shot.id for shot in now.shots if shot.scene == "4"]
    assert list(now.stale) == scene
    assert {change.line for change in now.stale.values()} == {129}


def test_a_character_who_gets_another_name_keeps_their_shots():
    board = board_of()
    now = reimport(board, shots_of(TEXT.replace("JONAS", "ERIK").replace("Jonas", "Erik")))
    assert ids(now) == ids(board)
    assert "speakers" in {change.field for change in now.stale.values()}


def test_what_a_person_set_stays_and_the_rest_follows_the_script():
    board = board_of()
    mine = edit(shot_saying(board, "A boat sails"), size="close-up", frames=7)
    board = Board(tuple(mine if shot.id == mine.id else shot for shot in board.shots))
    now = shot_saying(again(board, "A boat sails left.", "A red boat sails left."), "red boat")
    assert (now.id, now.size, now.frames, now.edited) == (mine.id, "close-up", 7, ("frames", "size"))


def test_a_locked_shot_stays_as_it_is_and_is_marked():
    board = board_of()
    mine = edit(shot_saying(board, "A boat sails"), locked=True)
    board = Board(tuple(mine if shot.id == mine.id else shot for shot in board.shots))
    now = again(board, "A boat sails left.", "A red boat sails left.")
    kept = next(shot for shot in now.shots if shot.id == mine.id)
    assert (kept.text, kept.prompt) == (mine.text, mine.prompt)
    assert mine.id in now.stale


def test_shots_split_and_merged_by_hand_stay_so():
    shots = list(board_of().shots)
    first, second = split(shots[1], 20)
    merged = merge(shots[3], shots[4])
    board = Board(renumbered((shots[0], first, second, shots[2], merged, *shots[5:])))
    assert reimport(board, shots_of(TEXT)) == board
    now = again(board, "A boat sails left.", "A red boat sails left.")
    assert ids(now) == ids(board)


def test_an_order_made_by_hand_stays_and_new_shots_find_their_place():
    shots = list(board_of().shots)
    shots[5], shots[6] = shots[6], shots[5]
    board = Board(renumbered(tuple(shots)))
    assert ids(reimport(board, shots_of(TEXT))) == ids(board)
    now = again(board, "JONAS (a man", "A bird flies.\n\nJONAS (a man")
    fresh = next(shot for shot in now.shots if shot.text == "A bird flies.")
    assert [shot.id for shot in now.shots if shot is not fresh] == ids(board)
    assert now.shots[3] is fresh


def test_a_new_shot_never_takes_the_id_of_one_that_was_edited():
    board = board_of("INT. A\n\nA dog runs.\n")
    edited = reimport(board, shots_of("INT. A\n\nA dog runs and jumps.\n"))
    both = reimport(edited, shots_of("INT. A\n\nA dog runs and jumps.\n\nA dog runs.\n"))
    assert len(set(ids(both))) == 3 and set(ids(board)) < set(ids(both))


WORDS = "dog bus beach runs slowly Mira Otto sleeps red again never waits umbrella".split()


def edited_at_random(paragraphs: list[str], chance: random.Random) -> list[str]:
    """One edit as writers make them."""
    found = list(paragraphs)
    at = chance.randrange(len(found))
    match chance.randrange(8):
        case 0:
            del found[at : at + chance.randint(1, 3)]
        case 1:
            found.insert(at, " ".join(chance.choices(WORDS, k=6)).capitalize() + ".")
        case 2:
            words = found[at].split(" ")
            words[chance.randrange(len(words))] = chance.choice(WORDS)
            found[at] = " ".join(words)
        case 3:
            moved = found.pop(at)
            found.insert(chance.randrange(len(found) + 1), moved)
        case 4:
            found.insert(at, f"{chance.choice(('INT', 'EXT'))}. {chance.choice(WORDS).upper()} - DAY")
        case 5:
            found.insert(at, found[chance.randrange(len(found))])
        case 6:
            found = [paragraph.replace("JONAS", "ERIK").replace("Jonas", "Erik") for paragraph in found]
        case _:
            found[at : at + 2] = [" ".join(found[at : at + 2])]
    return found or ["INT. NOTHING"]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_no_shot_with_a_take_is_lost_in_thirty_edits(seed, one_by_one):
    chance = random.Random(seed)
    board = board_of()
    takes = {shot.id: f"take of {shot.id}" for shot in board.shots}
    paragraphs = TEXT.split("\n\n")
    for number in range(30):
        paragraphs = edited_at_random(paragraphs, chance)
        if one_by_one or number == 29:
            drafted = shots_of("\n\n".join(paragraphs))
            board = reimport(board, drafted, worth_keeping=takes)
            everything = [shot.id for shot in (*board.shots, *board.orphans)]
            assert len(everything) == len(set(everything))
            assert set(takes) <= set(everything)
            assert set(board.stale) <= set(everything)
            assert sorted(text for shot in board.shots for text in shot.source) == sorted(
                text for shot in drafted for text in shot.source
            )


def test_most_shots_are_found_again_after_thirty_small_edits():
    chance = random.Random(7)
    board = board_of()
    paragraphs = TEXT.split("\n\n")
    for _ in range(30):
        at = chance.randrange(len(paragraphs))
        words = paragraphs[at].split(" ")
        words[chance.randrange(len(words))] = chance.choice(WORDS)
        paragraphs[at] = " ".join(words)
    now = reimport(board, shots_of("\n\n".join(paragraphs)))
    assert len(set(ids(board)) & set(ids(now))) >= 0.85 * len(board.shots)
