"""What a person does to a board. Each is a function from a project to the next one; none forgets a take."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from diffscaler.errors import InvalidRequest, ScriptError
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Project, Role, Take, appearances
from diffscaler.screenplay import shot as shots_
from diffscaler.screenplay.board import Board
from diffscaler.screenplay.prompts import prompt_of
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.shot import Shot, renumbered
from diffscaler.screenplay.shot_table import ShotList, csv_of, read_csv, taken_over

TITLE_LETTERS = 200


def edit_shot(project: Project, shot_id: str, **values: Any) -> Project:
    """Set fields of a shot; its prompt follows unless a person has written it.

    values: of EDITABLE. Raises ScriptError for a locked shot, a length of no frames and an unknown size, angle or move
    """
    for name, choices in (("size", shots_.SIZES), ("angle", shots_.ANGLES), ("move", shots_.MOVES)):
        if name in values and values[name] not in choices:
            raise ScriptError(f"{values[name]!r} is no {name}.", f"There are: {', '.join(choices)}.")
    changed = shots_.edit(project.shot(shot_id), **values)
    return project.with_shots(_prompted(project, [changed]))


def follow_script(project: Project, shot_id: str) -> Project:
    """Give a shot the prompt its text, size and people make, in place of the one a person wrote."""
    shot = _unlocked(project.shot(shot_id))
    loosened = replace(shot, edited=tuple(name for name in shot.edited if name != "prompt"))
    return project.with_shots(_prompted(project, [loosened]))


def split_shot(project: Project, shot_id: str, at_frame: int | None = None) -> Project:
    """A shot in two; its takes stay with the first. at_frame: None for the middle

    Raises ScriptError as `shot.split` does.
    """
    shot = project.shot(shot_id)
    first, second = shots_.split(shot, shot.frames // 2 if at_frame is None else at_frame)
    second = replace(second, id=_free_id(project, second.id))
    found: list[Shot] = []
    for one in project.board.shots:
        found += [first, second] if one.id == shot_id else [one]
    return _arranged(project, found)


def merge_with_next(project: Project, shot_id: str) -> Project:
    """A shot and the one behind it as one; that one is set aside, with its takes.

    Raises ScriptError for locked shots, and where none of the same scene follows.
    """
    at, shots = _place(project, shot_id), project.board.shots
    other = shots[at + 1] if at + 1 < len(shots) else None
    if other is None or other.scene != shots[at].scene:
        raise ScriptError(f"{shots[at].name} is the last of its scene.", "Merge the one before it.")
    merged = shots_.merge(shots[at], other)
    # Its text belongs to the merged shot now: nothing of the script must bring it back.
    aside = replace(other, source=(), part_of="")
    left = [*shots[:at], *_prompted(project, [merged]), *shots[at + 2 :]]
    board = replace(project.board, orphans=(*project.board.orphans, aside))
    return _arranged(replace(project, board=board), left)


def move_shot(project: Project, shot_id: str, places: int) -> Project:
    """A shot earlier (negative) or later, within its scene. Raises ScriptError for a locked one."""
    at, shots = _place(project, shot_id), list(project.board.shots)
    _unlocked(shots[at])
    mine = [index for index, shot in enumerate(shots) if shot.scene == shots[at].scene]
    to = mine[max(0, min(len(mine) - 1, mine.index(at) + places))]
    shots.insert(to, shots.pop(at))
    return _arranged(project, shots)


def place_shot(project: Project, shot_id: str, before: str) -> Project:
    """A shot before another of its scene. before: that one's id, "" for the end of the scene

    Raises ScriptError for a locked shot and for a place in another scene, InvalidRequest for shots that are not there.
    """
    at, shots = _place(project, shot_id), project.board.shots
    mine = [index for index, shot in enumerate(shots) if shot.scene == shots[at].scene]
    to = _place(project, before) if before else mine[-1] + 1
    if to not in (*mine, mine[-1] + 1):
        raise ScriptError(f"{shots[at].name} belongs to scene {shots[at].scene}.", "Drop it on a shot of that scene.")
    places = mine.index(to) - mine.index(at) if to in mine else len(mine) - mine.index(at)
    return move_shot(project, shot_id, places - 1 if places > 0 else places)


def take_out(project: Project, shot_id: str) -> Project:
    """A shot off the board, set aside with its takes; reading the script again leaves it there.

    Raises ScriptError for a locked one and for the only one.
    """
    at, shots = _place(project, shot_id), project.board.shots
    _unlocked(shots[at])
    if len(shots) == 1:
        raise ScriptError("This is the only shot of the film.", "Change it instead.")
    aside = replace(shots[at], edited=(*shots[at].edited, shots_.OUT))
    board = replace(project.board, orphans=(*project.board.orphans, aside))
    return _arranged(replace(project, board=board), [*shots[:at], *shots[at + 1 :]])


def rename(project: Project, title: str) -> Project:
    """Another title, on one line. Raises InvalidRequest for none and for one of more than 200 letters."""
    title = " ".join(title.split())
    if not 0 < len(title) <= TITLE_LETTERS:
        raise InvalidRequest(
            f"A title has 1 to {TITLE_LETTERS} letters.", "Write a shorter one." if title else "Write one."
        )
    return replace(project, title=title)


def circle(project: Project, shot_id: str, number: int, draft: bool, on: bool | None = None) -> Project:
    """Mark the take that goes into the film, or take that mark away. on: which of both, None for the other one

    Raises InvalidRequest where there is no such take.
    """
    if not any((t.number, t.draft) == (number, draft) for t in project.takes_of(shot_id)):
        raise InvalidRequest("That take is not there any more.", "Pick another.")

    def marked(take: Take) -> Take:
        if take.shot != shot_id:
            return take
        if (take.number, take.draft) == (number, draft):
            return replace(take, circled=not take.circled if on is None else on)
        return take if on is False else replace(take, circled=False)

    return replace(project, takes=tuple(map(marked, project.takes)))


def keep_as_is(project: Project, shot_id: str) -> Project:
    """A shot is good as it is, whatever the script says now."""
    return replace(project, board=project.board.refreshed(project.shot(shot_id).id))


def set_film(project: Project, film: FilmSettings) -> Project:
    """Other settings for all shots: they keep their seconds at another rate, and get the new look."""
    before, now = rate_of(project.film.rate), rate_of(film.rate)
    changed = replace(project, film=film)
    if now != before:
        every = [replace(shot, frames=_counted(shot.frames, before, now)) for shot in project.shots.values()]
        changed = changed.with_shots(every)
    return changed if film.look == project.film.look else reprompted(changed)


def set_role(project: Project, character: str, **values: Any) -> Project:
    """Who plays a character, and their appearance in words. values: fields of Role"""
    role = replace(project.cast.get(character, Role()), **values)
    changed = replace(project, cast={**project.cast, character: role})
    return reprompted(changed) if "appearance" in values else changed


def shot_list(project: Project) -> str:
    """The board as CSV text."""
    return csv_of(ShotList(project.film.rate, project.board.shots))


def open_shot_list(project: Project, text: str) -> Project:
    """The board as a person changed it in a spreadsheet. Rows that are missing are set aside, with their takes.

    Raises ScriptError for what is no shot list, and for one that counts at another rate.
    """
    opened = read_csv(text, project.film.rate)
    if opened.rate != project.film.rate:
        raise ScriptError(
            f"The shot list counts at {opened.rate} frames a second, the film at {project.film.rate}.",
            "Give both the same rate.",
        )
    if not opened.shots:
        raise ScriptError("The shot list has no rows.", "Save it with its shots.")
    shots = taken_over(opened.shots, project.shots.values())
    there = {shot.id for shot in shots}
    aside = tuple(shot for shot in project.shots.values() if shot.id not in there)
    board = Board(renumbered(tuple(_prompted(project, shots))), aside, project.board.stale)
    return replace(project, board=board)


def reprompted(project: Project) -> Project:
    """Prompts put together anew, but for locked shots and prompts a person has written."""
    return project.with_shots(_prompted(project, project.board.shots))


def _prompted(project: Project, shots: Iterable[Shot]) -> list[Shot]:
    words, look = appearances(project), project.film.look
    return [
        shot if "prompt" in shot.edited or shot.locked else replace(shot, prompt=prompt_of(shot, words, look))
        for shot in shots
    ]


def _arranged(project: Project, shots: Iterable[Shot]) -> Project:
    return replace(project, board=replace(project.board, shots=renumbered(tuple(shots))))


def _place(project: Project, shot_id: str) -> int:
    for index, shot in enumerate(project.board.shots):
        if shot.id == shot_id:
            return index
    raise InvalidRequest("That shot is no longer on the board.", "Pick another.")


def _unlocked(shot: Shot) -> Shot:
    if shot.locked:
        raise ScriptError(f"{shot.name} is locked.", "Unlock it first.")
    return shot


def _free_id(project: Project, wanted: str) -> str:
    """An id that no shot has or had."""
    taken = {*project.shots, *(take.shot for take in project.takes)}
    if not shots_.is_id(f"{wanted}.{len(taken)}"):  # a part of a part of a part: their ids get longer
        wanted = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    found, count = wanted, 1
    while found in taken:
        count += 1
        found = f"{wanted}.{count}"
    return found


def _counted(frames: int, before: Fraction, now: Fraction) -> int:
    return max(1, round(frames / before * now))
