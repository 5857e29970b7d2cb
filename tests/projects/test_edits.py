"""A person works on a board: every edit is a step from one film to the next, and no take is ever lost on the way."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from pathlib import Path

import pytest

from diffscaler.errors import DiffScalerError, InvalidRequest, ScriptError
from diffscaler.projects import edits
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Project, Take, shown_take
from diffscaler.projects.reading import new_project, read_again, text_of
from diffscaler.projects.store import ProjectStore
from diffscaler.requests import ShotRequest
from diffscaler.screenplay.rates import rate_of
from tests.screenplay.test_board import WORDS, edited_at_random
from tests.screenplay.test_read import SAMPLE

TEXT = SAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def film() -> Project:
    return new_project(TEXT, "bus")


def take(shot: str, number: int = 1, *, draft: bool = False, circled: bool = False) -> Take:
    request = ShotRequest(name="x", card="x", frames=10)
    return Take(shot, number, number, draft, f"{abs(hash((shot, number))):040x}"[:40], request, circled, float(number))


def named(film: Project, name: str) -> str:
    return next(shot.id for shot in film.board.shots if shot.name == name)


def without_row(table: str, number: int) -> str:
    """A shot list without one of its shots, the first is 0."""
    rows = list(csv.reader(io.StringIO(table)))
    del rows[number + 1]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def names(film: Project) -> list[str]:
    return [shot.name for shot in film.board.shots]


def test_a_script_becomes_a_film_with_a_title_and_a_board(film: Project) -> None:
    assert film.title == "The Last Bus to the Sea" and len(film.board.shots) > 40
    assert (film.film.width, film.film.height) == (640, 360)
    from_final_draft = new_project(*text_of(SAMPLE.with_suffix(".fdx"))[:1], "bus")
    assert [shot.text for shot in from_final_draft.board.shots] == [shot.text for shot in film.board.shots]


def test_a_changed_size_changes_the_prompt_unless_a_person_wrote_it(film: Project) -> None:
    at = film.board.shots[1].id
    closer = edits.edit_shot(film, at, size="close-up")
    assert closer.shot(at).prompt.startswith("Close-up") and closer.shot(at).edited == ("size",)
    mine = edits.edit_shot(closer, at, prompt="A dog on a sofa.")
    assert edits.edit_shot(mine, at, size="wide").shot(at).prompt == "A dog on a sofa."
    assert edits.follow_script(mine, at).shot(at).prompt == closer.shot(at).prompt
    with pytest.raises(ScriptError, match="no size"):
        edits.edit_shot(film, at, size="huge")


def test_a_locked_shot_is_neither_edited_nor_moved_nor_merged_nor_given_another_look(film: Project) -> None:
    at = film.board.shots[1].id
    locked = edits.edit_shot(film, at, locked=True)
    for change in (
        lambda: edits.edit_shot(locked, at, frames=3),
        lambda: edits.move_shot(locked, at, 1),
        lambda: edits.split_shot(locked, at),
        lambda: edits.merge_with_next(locked, at),
        lambda: edits.merge_with_next(locked, locked.board.shots[0].id),
        lambda: edits.follow_script(locked, at),
    ):
        with pytest.raises(ScriptError, match="locked"):
            change()
    noir = edits.set_film(locked, FilmSettings(look="Noir"))
    assert noir.shot(at).prompt == film.shot(at).prompt and noir.board.shots[2].prompt.endswith("Noir.")
    assert edits.edit_shot(locked, at, locked=False).shot(at).locked is False


def test_parts_of_parts_have_ids_that_come_back_from_a_table(film: Project) -> None:
    at = named(film, "SC1_SH010")
    film = edits.edit_shot(film, at, frames=100)
    last = at
    for _ in range(60):
        film = edits.split_shot(film, last, 1)
        last = film.board.shots[film.board.shots.index(film.shot(last)) + 1].id
    assert len({shot.id for shot in film.board.shots}) == len(film.board.shots)
    assert edits.open_shot_list(film, edits.shot_list(film)).board.shots == film.board.shots


def test_a_shot_split_and_merged_again_keeps_its_frames_and_every_take(film: Project) -> None:
    at = named(film, "SC1_SH020")
    film = replace(film, takes=(take(at),))
    frames, count = film.shot(at).frames, len(film.board.shots)
    parted = edits.split_shot(film, at, 10)
    second = parted.board.shots[2]
    assert (parted.shot(at).frames, second.frames) == (10, frames - 10)
    assert names(parted)[1:3] == ["SC1_SH020", "SC1_SH030"] and len(parted.board.shots) == count + 1
    parted = replace(parted, takes=(*parted.takes, take(second.id)))
    whole = edits.merge_with_next(parted, at)
    assert whole.shot(at).frames == frames and len(whole.board.shots) == count
    assert [shot.id for shot in whole.board.orphans] == [second.id] and whole.takes == parted.takes
    again = edits.split_shot(whole, at, 10)
    assert again.board.shots[2].id not in {second.id, at}  # the takes of the first half are not another shot's
    assert read_again(whole, TEXT).board.shots == whole.board.shots  # what was merged away is not brought back


def test_shots_of_two_scenes_are_not_merged_and_moves_stay_inside_a_scene(film: Project) -> None:
    last = [shot for shot in film.board.shots if shot.scene == "1"][-1]
    with pytest.raises(ScriptError, match="last of its scene"):
        edits.merge_with_next(film, last.id)
    assert edits.move_shot(film, last.id, 5).board == film.board
    first = film.board.shots[0]
    moved = edits.move_shot(film, first.id, 2)
    assert [shot.id for shot in moved.board.shots].index(first.id) == 2 and names(moved) == names(film)
    assert read_again(moved, TEXT).board.shots == moved.board.shots


def test_another_frame_rate_keeps_seconds_and_a_look_reaches_every_prompt(film: Project) -> None:
    faster = edits.set_film(film, FilmSettings(rate="29.97", look="16 mm"))
    for before, now in zip(film.board.shots, faster.board.shots, strict=True):
        seconds = before.frames / rate_of("24")
        assert abs(now.frames / rate_of("29.97") - seconds) <= 1 / rate_of("29.97") / 2
        assert now.role == "title" or now.prompt.endswith("16 mm.")


def test_appearance_words_replace_those_of_the_script(film: Project) -> None:
    assert any("a man with an umbrella" in shot.prompt for shot in film.board.shots)
    old = edits.set_role(film, "JONAS", appearance="a sailor", member="Ada")
    assert any("a sailor" in shot.prompt for shot in old.board.shots)
    assert not any("a man with an umbrella" in shot.prompt for shot in old.board.shots)
    assert edits.set_role(old, "JONAS", member="Ben").cast["JONAS"].appearance == "a sailor"


def test_one_take_of_a_shot_is_circled_and_it_stands_for_the_shot(film: Project) -> None:
    at, other = film.board.shots[0].id, film.board.shots[1].id
    film = replace(film, takes=(take(at, 1), take(at, 2), take(other, 1, circled=True)))
    assert (shown := shown_take(film.takes_of(at))) and shown.number == 2
    circled = edits.circle(film, at, 1, False)
    assert (shown := shown_take(circled.takes_of(at))) and shown.number == 1
    assert [one.circled for one in edits.circle(circled, at, 2, False).takes] == [False, True, True]
    assert [one.circled for one in edits.circle(circled, at, 1, False).takes] == [False, False, True]
    with pytest.raises(InvalidRequest):
        edits.circle(film, at, 9, False)


def test_a_final_stands_for_its_circled_draft(film: Project) -> None:
    at = film.board.shots[0].id
    every = (take(at, 1, draft=True, circled=True), take(at, 1), take(at, 2, draft=True))
    assert (shown := shown_take(every)) and (shown.number, shown.draft) == (1, False)


def test_a_shot_list_goes_to_a_spreadsheet_and_comes_back_with_what_was_changed(film: Project) -> None:
    assert edits.open_shot_list(film, edits.shot_list(film)) == film
    text = edits.shot_list(film).replace("extreme wide", "wide")
    opened = edits.open_shot_list(film, text)
    changed = [shot for shot in opened.board.shots if "size" in shot.edited]
    assert changed and all(shot.size == "wide" and shot.prompt.startswith("Wide shot") for shot in changed)
    gone = film.board.shots[4].id
    left = edits.open_shot_list(replace(film, takes=(take(gone),)), without_row(edits.shot_list(film), 4))
    assert [shot.id for shot in left.board.orphans] == [gone] and left.takes
    for wrong in ("", "a,b\n1,2\n", edits.shot_list(edits.set_film(film, FilmSettings(rate="25")))):
        with pytest.raises(ScriptError):
            edits.open_shot_list(film, wrong)


@pytest.mark.parametrize("run", [1, 2])
def test_no_take_is_lost_in_thirty_random_edits_of_script_and_board(film: Project, run: int, tmp_path: Path) -> None:
    """Half of them change the script, half the board; everything goes through the database."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"run {run}, seed {seed}")
    chance = random.Random(seed)
    store = ProjectStore(tmp_path)
    film = store.add(film)
    paragraphs = TEXT.split("\n\n")
    asked: set[tuple[str, int]] = set()

    def one(project: Project) -> Project:
        shots = project.board.shots
        at = chance.choice(shots).id
        match chance.randrange(7):
            case 0:
                return edits.split_shot(project, at)
            case 1:
                return edits.merge_with_next(project, at)
            case 2:
                return edits.move_shot(project, at, chance.choice((-2, -1, 1, 2)))
            case 3:
                return edits.edit_shot(project, at, prompt=chance.choice(WORDS), frames=chance.randint(1, 99))
            case 4:
                row = chance.randrange(len(shots))
                return edits.open_shot_list(project, without_row(edits.shot_list(project), row))
            case 5:
                mine = project.takes_of(at)
                return edits.circle(project, at, mine[-1].number, mine[-1].draft) if mine else project
            case _:
                return edits.edit_shot(project, at, locked=not project.shot(at).locked)

    for number in range(30):
        at = chance.choice(film.board.shots).id
        new = take(at, len(film.takes_of(at)) + 1)
        film = store.change(film.id, lambda project, new=new: replace(project, takes=(*project.takes, new)))
        asked.add((at, new.number))
        try:
            if number % 2:
                film = store.change(film.id, one)
            else:
                paragraphs = edited_at_random(paragraphs, chance)
                text = "\n\n".join(paragraphs)
                film = store.change(film.id, lambda project, text=text: read_again(project, text))
        except DiffScalerError:
            continue  # a locked shot, or a script without a scene: the film stays as it was
        assert {(one.shot, one.number) for one in film.takes} == asked
        assert {one.shot for one in film.takes} <= set(film.shots), "a take without its shot"
        assert len(film.shots) == len(film.board.shots) + len(film.board.orphans)
    kept = store.get(film.id)
    assert kept.board == film.board and {(one.shot, one.number) for one in kept.takes} == asked


def test_a_shot_goes_before_another_of_its_scene_or_to_its_end(film: Project) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    shot = rng.choice([one for one in film.board.shots if sum(s.scene == one.scene for s in film.board.shots) > 2])
    scene = [one.id for one in film.board.shots if one.scene == shot.scene]
    others = [one for one in scene if one != shot.id]
    for to in (*others, "", shot.id):
        placed = edits.place_shot(film, shot.id, to)
        wanted = [*others]
        wanted.insert(others.index(to) if to in others else scene.index(shot.id) if to else len(others), shot.id)
        assert [one.id for one in placed.board.shots if one.scene == shot.scene] == wanted
        rest = [one for one in placed.board.shots if one.scene != shot.scene]
        assert rest == [one for one in film.board.shots if one.scene != shot.scene]
    elsewhere = next(one for one in film.board.shots if one.scene != shot.scene)
    with pytest.raises(ScriptError, match=f"belongs to scene {shot.scene}"):
        edits.place_shot(film, shot.id, elsewhere.id)
    with pytest.raises(ScriptError, match="is locked"):
        edits.place_shot(edits.edit_shot(film, shot.id, locked=True), shot.id, "")
    with pytest.raises(InvalidRequest, match="no longer on the board"):
        edits.place_shot(film, shot.id, "nobody")


def test_a_shot_that_is_taken_out_keeps_its_takes(film: Project) -> None:
    shot = film.board.shots[1]
    held = replace(film, takes=(take(shot.id),))
    out = edits.take_out(held, shot.id)
    assert shot.id not in {one.id for one in out.board.shots} and [one.id for one in out.board.orphans] == [shot.id]
    again = read_again(out, TEXT + "\n\nA bird.\n")
    assert shot.id not in {one.id for one in again.board.shots} and shot.id in {one.id for one in again.board.orphans}
    assert out.takes == held.takes and len(names(out)) == len(names(film)) - 1
    with pytest.raises(ScriptError, match="is locked"):
        edits.take_out(edits.edit_shot(film, shot.id, locked=True), shot.id)
    alone = replace(film, board=replace(film.board, shots=film.board.shots[:1]))
    with pytest.raises(ScriptError, match="only shot"):
        edits.take_out(alone, alone.board.shots[0].id)
