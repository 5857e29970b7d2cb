"""A film as it stands: of each shot the take that is in it, as the cut has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.film.animatic import Placed, placed
from diffscaler.film.cards import Cards, with_cards
from diffscaler.projects.asking import Asking
from diffscaler.projects.freshness import why_stale
from diffscaler.projects.making import film_clips
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import Project, Take, edges_by_shot
from diffscaler.requests import ShotRequest, Text2VideoRequest
from diffscaler.screenplay.compile import CompiledShot
from diffscaler.screenplay.script import Scene
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import PLAIN, Edges
from diffscaler.wording import worded

#: Shots that a note names.
_FEW = 4


@dataclass(frozen=True)
class AsMade:
    """takes: by shot id, those that are in the film; shots: of these, in the board's order"""

    project: Project
    takes: dict[str, Take]
    shots: tuple[CompiledShot, ...]

    @property
    def clips(self) -> dict[str, str]:
        """By shot id, the key of its clip."""
        return {shot: take.clip for shot, take in self.takes.items()}

    def cut(self, cards: Cards) -> tuple[Placed, ...]:
        """The shots that are made, with their cards."""
        film = self.project
        return placed(with_cards(self.shots, cards, film.film, film.title, scenes_of(film)), film.board.shots)

    def board(self) -> tuple[Placed, ...]:
        """All shots, those that nobody has drawn as well."""
        made = {shot.shot.id: shot for shot in self.shots}
        shots = self.project.board.shots
        return placed([made.get(shot.id) or _undrawn(shot, self.project) for shot in shots], shots)

    def outdated(self, asking: Asking | None) -> dict[str, str]:
        """By shot id, in which way its take is no longer what is asked for. asking: None where nothing can be"""
        found: dict[str, str] = {}
        for shot in self.project.board.shots:
            if (take := self.takes.get(shot.id)) is None:
                continue
            why = str(self.project.board.stale.get(shot.id, ""))
            if asking is not None:
                try:
                    why = why_stale(self.project, shot, take, asking.again(shot, take))
                except (DiffScalerError, ValidationError) as error:
                    why = worded(error)[0]
            if why:
                found[shot.id] = why
        return found

    def notes(self) -> Iterator[str]:
        """What a person should know of the film: what is left out, what is cut that should dissolve, and whose clips
        are longer than their shots."""
        every = len(self.project.board.shots)
        if left := every - len(self.shots):
            yield f"{left} of {every} shots are not made yet and are left out."
        edges = edges_by_shot(self.project)
        short = [shot.shot.name for shot in self.shots if _dissolves(edges[shot.shot.id]) != _dissolves(shot.edges)]
        if short:
            yield f"Without frames to dissolve with, so they are cut: {_few(short)}. Preview makes them anew."
        longer = [f"{one.shot.name} ({_handles(one)})" for one in self.shots if one.request.frames > one.shot.frames]
        if longer:
            told = "Clips are longer than their shots by the frames they dissolve with, the film is not"
            yield f"{told}: {_few(longer)}."


def outdated_in_words(shots: Iterable[Shot], outdated: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each of the first few, and how many more there are. outdated: by shot id"""
    found = [f"{shot.name} is outdated. {outdated[shot.id]}" for shot in shots if shot.id in outdated]
    yield from found[:_FEW]
    if left := len(found) - _FEW if len(found) > _FEW else 0:
        yield f"{left} more are outdated."
    if found:
        yield "Preview makes what is outdated anew."


def as_made(project: Project, standing: Standing) -> AsMade:
    """Raises InvalidRequest when clips of an earlier length, size or rate stand for shots."""
    takes, edges = film_clips(project, standing), edges_by_shot(project)
    shots = [shot for shot in project.board.shots if shot.id in takes]
    return AsMade(project, takes, tuple(_made(shot, takes[shot.id], edges[shot.id], project) for shot in shots))


def scenes_of(project: Project) -> dict[str, Scene]:
    """By number."""
    return {scene.number: scene for scene in project.read.scenes}


def _made(shot: Shot, take: Take, edges: Edges, project: Project) -> CompiledShot:
    """A shot with its take, which shows the frames it was drawn for. One that was drawn before it dissolved, or for a
    shorter dissolve, has no frames for that, and is cut there."""
    request, film = take.request, project.film
    if (request.rate, request.width, request.height) != (film.rate, film.width, film.height):
        raise InvalidRequest(
            f"{shot.name} was made in another size or at another frame rate.", "Press Preview: it is made anew."
        )
    head = request.head
    if head is None:  # a take of before that was noted: its length tells whether it was made for these edges
        head = edges.head if request.frames == shot.frames + edges.head + edges.tail else 0
    tail = request.frames - head - shot.frames
    if tail < 0:
        raise InvalidRequest(
            f"{shot.name} lasts {shot.frames} frames on the board, and its take has {request.frames - head}.",
            "Press Preview: it is made anew.",
        )
    if head < edges.head:
        edges = replace(edges, dissolve_in=0)
    if tail < edges.tail:
        edges = replace(edges, dissolve_out=0)
    return CompiledShot(shot, request, take.number, edges=edges, draft=take.draft)


def _undrawn(shot: Shot, project: Project) -> CompiledShot:
    """What a board says of a shot before it is drawn."""
    film = project.film
    form = {"name": shot.name, "frames": shot.frames, "rate": film.rate, "width": film.width, "height": film.height}
    if shot.role == "title" or not shot.prompt.strip():
        return CompiledShot(shot, ShotRequest.model_validate(form | {"card": shot.text[:2000]}), edges=PLAIN)
    drawn = Text2VideoRequest(prompt=shot.prompt, model=film.model)
    return CompiledShot(shot, ShotRequest.model_validate(form | {"drawn": drawn}), edges=PLAIN)


def _dissolves(edges: Edges) -> tuple[int, int]:
    return edges.dissolve_in, edges.dissolve_out


def _handles(made: CompiledShot) -> str:
    """ "6 before, 6 behind"."""
    head = made.head
    ends = {"before": head, "behind": made.request.frames - head - made.shot.frames}
    return ", ".join(f"{frames} {where}" for where, frames in ends.items() if frames)


def _few(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_FEW]) + (f" and {len(every) - _FEW} more" if len(every) > _FEW else "")
