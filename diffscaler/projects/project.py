"""A film as it is kept: its script, its board, who plays whom, and every take that was ever asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from pydantic import TypeAdapter

from diffscaler.errors import InvalidRequest
from diffscaler.projects.film import FilmSettings
from diffscaler.requests import ShotRequest
from diffscaler.screenplay.board import Board
from diffscaler.screenplay.people import introductions, known_names
from diffscaler.screenplay.read import script_of
from diffscaler.screenplay.script import Script
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import Edges, edges_of

Format = Literal["fountain", "fdx"]


@dataclass(frozen=True)
class Role:
    """Who plays a character. member: a name in the studio's cast, "" for nobody; appearance: words for prompts, None
    for those the script introduces them with"""

    member: str = ""
    appearance: str | None = None


@dataclass(frozen=True)
class Take:
    """One clip of a shot, made or only asked for.

    number: as on the slate, from 1; roll: the number its chance comes from: takes of one roll are alike
    draft: quicker and coarser; clip: its key in the library; request: what was asked for
    """

    shot: str
    number: int
    roll: int
    draft: bool
    clip: str
    request: ShotRequest
    circled: bool = False
    created: float = 0.0

    @property
    def label(self) -> str:
        return f"take {self.number}{' (draft)' if self.draft else ''}"


@dataclass(frozen=True)
class Project:
    """script: Fountain, whatever the film came as; format: what it came as; cast: by character, in capitals"""

    id: str
    title: str
    script: str = ""
    format: Format = "fountain"
    board: Board = field(default_factory=lambda: Board(()))
    film: FilmSettings = field(default_factory=FilmSettings)
    cast: Mapping[str, Role] = field(default_factory=dict)
    takes: tuple[Take, ...] = ()
    changed: float = 0.0

    @property
    def read(self) -> Script:
        """The script's scenes and elements. Raises ScriptError."""
        return parsed(self.script, self.title)

    @property
    def shots(self) -> dict[str, Shot]:
        """By id, those on the board first, then those whose text left the script."""
        return {shot.id: shot for shot in (*self.board.shots, *self.board.orphans)}

    def shot(self, shot_id: str) -> Shot:
        """Raises InvalidRequest when there is none."""
        if (found := self.shots.get(shot_id)) is None:
            raise InvalidRequest("That shot is no longer on the board.", "Pick another.")
        return found

    def takes_of(self, shot_id: str) -> tuple[Take, ...]:
        """In the order they were asked for."""
        return tuple(take for take in self.takes if take.shot == shot_id)

    def with_shots(self, shots: Iterable[Shot]) -> Project:
        """The project with some shots in the place of those of the same id."""
        new = {shot.id: shot for shot in shots}
        on_board = tuple(new.get(shot.id, shot) for shot in self.board.shots)
        aside = tuple(new.get(shot.id, shot) for shot in self.board.orphans)
        return replace(self, board=replace(self.board, shots=on_board, orphans=aside))


BOARD = TypeAdapter(Board)
CAST = TypeAdapter(dict[str, Role])


def takes_by_shot(project: Project) -> dict[str, list[Take]]:
    """All takes at once, for whoever goes through all shots."""
    found: dict[str, list[Take]] = {}
    for take in project.takes:
        found.setdefault(take.shot, []).append(take)
    return found


def edges_by_shot(project: Project) -> dict[str, Edges]:
    """How each shot on the board begins and ends, by which its clip has frames to dissolve with."""
    shots = project.board.shots
    edges = edges_of(shots, project.film.rate, project.film.dissolve_s)
    return {shot.id: at for shot, at in zip(shots, edges, strict=True)}


def shown_take(takes: Iterable[Take]) -> Take | None:
    """The take that stands for a shot: the one circled, else the last asked for; a final before its draft."""
    every = list(takes)
    circled = next((take for take in every if take.circled), None)
    if circled is not None:
        final = next((one for one in every if one.number == circled.number and not one.draft), None)
        return final if circled.draft and final else circled
    return max(every, key=lambda take: (take.number, not take.draft), default=None)


def appearances(project: Project) -> dict[str, str]:
    """By character, the words that stand for them in prompts; "" where nobody wrote any."""
    script = project.read
    words = dict.fromkeys(known_names(script), "") | introductions(script)
    return words | {
        name: role.appearance for name, role in project.cast.items() if role.appearance is not None and name in words
    }


@lru_cache(maxsize=8)
def parsed(text: str, name: str) -> Script:
    """A script, read once for as long as it stays the same. Raises ScriptError."""
    return script_of(text, name)
