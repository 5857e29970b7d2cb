"""The board as HTML: scenes with their shots in order, and what each is waiting for. One pane, whatever its length."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path

from pydantic import ValidationError

from diffscaler.errors import ClipNotFound, DiffScalerError
from diffscaler.projects.asking import Asked, Asking
from diffscaler.projects.freshness import why_stale
from diffscaler.projects.orders import Standing
from diffscaler.projects.project import Project, Take, edges_by_shot, shown_take, takes_by_shot
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import Edges, longer_in_words
from diffscaler.studio import Studio
from diffscaler.wording import worded
from ui import pieces
from ui.pictures import poster_url, preview_url, url_of

#: Posters made in one look at the board; the rest come with the next one, so that no look takes long.
POSTERS_AT_ONCE = 6
#: Seconds until a poster that could not be made is tried again: others get their turn, and no look tries it in vain.
MISSED_S = 60.0

WAITING = {
    "queued": "waiting", "running": "drawing", "failed": "failed", "stopped": "stopped", "gone": "not made",
}  # fmt: skip


@dataclass
class BoardView:
    """A film as the page shows it.

    asking: None where its model is not installed, which `lacking` says; posters: how many may still be made in this
    look; wanting: whether one was not; pictures: addresses of posters by clip; missed: of those that could not be made,
    when that was, in monotonic seconds; both are kept for the next look
    """

    studio: Studio
    project: Project
    standing: Standing
    asking: Asking | None
    posters: int = 0
    wanting: bool = False
    pictures: dict[str, str] = field(default_factory=dict)
    missed: dict[str, float] = field(default_factory=dict)
    lacking: str = ""

    @cached_property
    def edges(self) -> dict[str, Edges]:
        """How the shots on the board begin and end, by their ids."""
        return edges_by_shot(self.project)

    def asked(self, shot: Shot, take: Take | None) -> tuple[Asked | None, str]:
        """What a shot's take would be today, and why nothing can be asked for."""
        if self.asking is None:
            return None, self.lacking if take is None else ""
        try:
            asking = self.asking
            return (asking.again(shot, take) if take else asking.of(shot, draft=True)), ""
        except (DiffScalerError, ValidationError) as error:
            return None, worded(error)[0]

    def picture(self, clip: str) -> str | None:
        """The address of a take's poster; None while it is not made, or not yet this time."""
        path: Path = self.studio.library.root / "thumbs" / f"{clip}.jpg"
        if clip not in self.pictures and path.exists():
            self.pictures[clip] = url_of(path)
        if clip in self.pictures:
            return self.pictures[clip]
        if time.monotonic() - self.missed.get(clip, -MISSED_S) < MISSED_S:
            return None
        if self.posters <= 0:
            self.wanting = True
            return None
        self.posters -= 1
        try:
            made = poster_url(self.studio, self.studio.library.clip(clip))
        except ClipNotFound:  # deleted since
            return None
        if made is None:
            self.missed[clip] = time.monotonic()
        return made


def board_html(view: BoardView, opened: str) -> str:
    """The whole board. opened: id of the shot whose editor is open"""
    project = view.project
    if not project.board.shots:
        return '<p class="invite">This script has no shot.</p>'
    takes = takes_by_shot(project)
    parts: list[str] = []
    scene = None
    for shot in project.board.shots:
        if shot.scene != scene:
            parts.append(f"{'</div></section>' if scene is not None else ''}{_scene_head(shot)}")
            scene = shot.scene
        parts.append(card(view, shot, takes.get(shot.id, []), shot.id == opened))
    parts.append("</div></section>")
    return "".join(parts) + _gone(view, takes, opened)


def _scene_head(shot: Shot) -> str:
    again = pieces.do("scene-again", "another take of all", cls="link", scene=shot.scene,
                      confirm=f"Draw another take of every shot of scene {shot.scene}?")  # fmt: skip
    return (
        f'<section class="scene" id="scene-{escape(shot.scene)}"><h3 class="label"><span>{escape(shot.scene)}</span>'
        f' {escape(shot.heading)} {again}</h3><div class="shots">'
    )


def card(view: BoardView, shot: Shot, takes: list[Take], opened: bool) -> str:
    """One shot: its picture, its slate, its prompt, and its takes."""
    shown, key = shown_take(takes), escape(shot.id)
    asked, trouble = view.asked(shot, shown)
    why = why_stale(view.project, shot, shown, asked) if asked else trouble
    seconds = float(shot.frames / rate_of(view.project.film.rate))
    how = " · ".join(
        text for text in (shot.size, "" if shot.angle == "eye level" else shot.angle,
                          "" if shot.move == "static" else shot.move) if text
    )  # fmt: skip
    said = escape(shot.text if shot.role == "title" else shot.prompt)
    dropped = asked.words.dropped if asked and asked.words else ()
    lost = f'<p class="lost">not drawn: {escape(", ".join(dropped))}</p>' if dropped else ""
    stale = f'<p class="why">{escape(why)}</p>' if why else ""
    lock = pieces.do("lock", "locked" if shot.locked else "lock", cls="link lock", key=shot.id, pressed=shot.locked,
                     was=was(shot.locked), title="A locked shot is not changed, split or merged")  # fmt: skip
    state = " stale" if why else ""
    on_board = shot.id in view.edges
    drag = f' draggable="true" data-shot="{key}"' if on_board and not shot.locked else ""
    grip = (
        '<span class="grip" aria-hidden="true" title="Drag it to another place in its scene">⠿</span>' if drag else ""
    )
    longer = longer_in_words(view.edges[shot.id]) if on_board else ""
    handles = f'<p class="lost">{escape(longer)}</p>' if longer else ""
    chips = "".join(_chip(view, take) for take in takes)
    return (
        f'<article class="shot{state}{" open" if opened else ""}" id="shot-{key}"{drag}>'
        f'<button type="button" class="frame" data-do="shot" data-key="{key}" aria-expanded="{str(opened).lower()}"'
        f' title="{escape(shot.text)}">{_picture(view, shot, takes, shown)}'
        f'<span class="slate"><b>{escape(shot.name)}</b><span class="tc">{shot.frames} f, {seconds:.1f} s</span></span>'
        f'<span class="how">{escape(how)}</span><span class="says">{said}</span></button>{lost}{handles}{stale}'
        f'<div class="hand"><span class="strip-of-takes">{chips}</span>{lock}{grip}</div>'
        "</article>"
    )


def _picture(view: BoardView, shot: Shot, takes: Iterable[Take], shown: Take | None) -> str:
    """What a shot looks like by now: its take being drawn, the one that is made, or a blank of the film's shape."""
    film = view.project.film
    shape = f'style="aspect-ratio:{film.width}/{film.height}"'
    job = view.standing.jobs.get(shown.clip) if shown and shown.clip not in view.standing.made else None
    if job is not None and job.state == "running" and (preview := preview_url(view.studio, job.id)):
        return f'<img src="{preview}" alt="Being drawn" draggable="false" {shape}>'
    made = [take for take in takes if take.clip in view.standing.made]
    chosen = shown if shown in made else shown_take(made)
    if chosen is not None and (poster := view.picture(chosen.clip)):
        return f'<img src="{poster}" alt="" loading="lazy" decoding="async" draggable="false" {shape}>'
    word = "card" if shot.role == "title" and shown is None else ""
    if shown is not None and chosen is None:
        word = WAITING.get(view.standing.state(shown.clip), "")
    return f'<span class="blank" {shape}>{word}</span>'


def _chip(view: BoardView, take: Take) -> str:
    state = view.standing.state(take.clip)
    title = f"{take.label}: {WAITING.get(state, 'made')}. {'Circled' if take.circled else 'Circle it'}"
    data = {"key": take.shot, "number": str(take.number), "draft": "1" if take.draft else ""}
    label = f"{take.number}{'d' if take.draft else ''}"
    data["was"] = was(take.circled)
    return pieces.do("circle", label, cls=f"take {state}", title=title, pressed=take.circled, **data)


def was(on: bool) -> str:
    """What a button tells of its state when it is pressed: the other state is meant, whatever another page did."""
    return "1" if on else ""


def _gone(view: BoardView, takes: dict[str, list[Take]], opened: str) -> str:
    """Shots whose text left the script: nothing that was made for them is lost."""
    gone = view.project.board.orphans
    if not gone:
        return ""
    cards = "".join(card(view, shot, takes.get(shot.id, []), shot.id == opened) for shot in gone)
    return (
        f'<details class="scene gone"{" open" if any(shot.id == opened for shot in gone) else ""}><summary>'
        f"{len(gone)} no longer in the film</summary>"
        '<p class="quiet">Their text left the script, or they were merged or taken out. What left the'
        f' script comes back with its text; their takes stay.</p><div class="shots">{cards}</div></details>'
    )


def mark_of(view: BoardView) -> str:
    """What the cost depends on, in short."""
    standing = view.standing
    states = sorted(f"{job.id}{job.state}" for job in standing.jobs.values())
    return f"{view.project.id} {view.project.changed} {len(standing.made)} {hash(tuple(states))} {view.lacking}"
