"""What was done to a film, to be undone and done again: of each step only what it changed, before and after.

A step is kept when it changed shots, their order or the script. Takes are no part of it: none is ever taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter

from diffscaler.errors import InvalidRequest
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Format, Project, Role
from diffscaler.screenplay.board import Change
from diffscaler.screenplay.shot import Shot

#: Steps that are kept of a film; earlier ones are forgotten.
KEPT = 50

V = TypeVar("V")


@dataclass(frozen=True)
class Side:
    """A film on one side of a step, as far as the other side is different.

    order, aside: ids of the shots on the board and of those set aside, all of them; shots, orphans: those that are
    otherwise on the other side; stale, cast: None for what is not there; film: settings by name
    script, title: None where both sides have the same
    """

    order: tuple[str, ...]
    aside: tuple[str, ...]
    shots: dict[str, Shot] = field(default_factory=dict[str, Shot])
    orphans: dict[str, Shot] = field(default_factory=dict[str, Shot])
    stale: dict[str, Change | None] = field(default_factory=dict[str, Change | None])
    cast: dict[str, Role | None] = field(default_factory=dict[str, Role | None])
    film: dict[str, Any] = field(default_factory=dict[str, Any])
    script: str | None = None
    format: Format = "fountain"
    title: str | None = None


@dataclass(frozen=True)
class Step:
    """what: was done, as on its button: "split SC1_SH010" """

    what: str
    before: Side
    after: Side


SIDE = TypeAdapter(Side)


def between(before: Project, after: Project, what: str) -> Step | None:
    """The step from one film to the next; None where neither shots nor script have changed."""
    one, other = before.board, after.board
    if (one.shots, one.orphans, before.script) == (other.shots, other.orphans, after.script):
        return None
    return Step(what, _side(before, after), _side(after, before))


def put(project: Project, side: Side) -> Project:
    """The film with one side of a step in it: `before` undoes it, `after` does it again.

    What else has become of the film stays. A shot that is on neither list of that side is set aside if anything was
    made for it. Raises InvalidRequest where a shot that side has is nowhere.
    """
    board = project.board
    shots = _put(board.shots, side.shots, side.order)
    orphans = _put(board.orphans, side.orphans, side.aside)
    there, made = {*side.order, *side.aside}, {take.shot for take in project.takes}
    # Its text belongs to other shots now: nothing of the script must bring it back.
    left = {shot.id: replace(shot, source=(), part_of="") for shot in (*board.shots, *board.orphans)
            if shot.id not in there and shot.id in made}  # fmt: skip
    known = {shot.id for shot in (*shots, *orphans)} | set(left)
    stale = {shot: change for shot, change in _changed(board.stale, side.stale).items() if shot in known}
    film = FilmSettings.model_validate({**project.film.model_dump(), **side.film})
    now = replace(
        project,
        title=project.title if side.title is None else side.title,
        board=replace(board, shots=shots, orphans=(*orphans, *left.values()), stale=stale),
        film=film,
        cast=_changed(project.cast, side.cast),
    )
    return now if side.script is None else replace(now, script=side.script, format=side.format)


def _side(this: Project, that: Project) -> Side:
    film, other = this.film.model_dump(), that.film.model_dump()
    side = Side(
        order=tuple(shot.id for shot in this.board.shots),
        aside=tuple(shot.id for shot in this.board.orphans),
        shots=_unlike(this.board.shots, that.board.shots),
        orphans=_unlike(this.board.orphans, that.board.orphans),
        stale=_differing(this.board.stale, that.board.stale),
        cast=_differing(this.cast, that.cast),
        film={name: value for name, value in film.items() if other[name] != value},
        title=None if this.title == that.title else this.title,
    )
    return side if this.script == that.script else replace(side, script=this.script, format=this.format)


def _unlike(shots: tuple[Shot, ...], others: tuple[Shot, ...]) -> dict[str, Shot]:
    known = {shot.id: shot for shot in others}
    return {shot.id: shot for shot in shots if known.get(shot.id) != shot}


def _put(now: tuple[Shot, ...], changed: Mapping[str, Shot], order: tuple[str, ...]) -> tuple[Shot, ...]:
    known = {shot.id: shot for shot in now} | dict(changed)
    if any(shot not in known for shot in order):
        raise InvalidRequest("The board has changed since, and this cannot be undone.", "Reload the page.")
    return tuple(known[shot] for shot in order)


def _differing(this: Mapping[str, V], that: Mapping[str, V]) -> dict[str, V | None]:
    return {name: this.get(name) for name in {**this, **that} if this.get(name) != that.get(name)}


def _changed(now: Mapping[str, V], changed: Mapping[str, V | None]) -> dict[str, V]:
    found = {**now, **changed}
    return {name: value for name, value in found.items() if value is not None}
