"""Cards before scenes and slates before shots: shots of the film that say what comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from diffscaler.requests import EncodingName, ShotRequest
from diffscaler.screenplay.compile import CompiledShot
from diffscaler.screenplay.export.timecode import timecode_of
from diffscaler.screenplay.rates import RateName, frames_of, rate_of
from diffscaler.screenplay.script import Scene
from diffscaler.screenplay.shot import Shot

#: none; before every scene; before every shot as well.
Cards = Literal["none", "scenes", "shots"]
SCENE_S, SLATE_S = 2.0, 1.0


class FilmForm(Protocol):
    """What a card has in common with the film: its rate, its size in pixels, what its clips are written as."""

    @property
    def rate(self) -> RateName: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def encoding(self) -> EncodingName: ...


@dataclass(frozen=True)
class Card(Shot):
    """A shot that is words. called: its name, as "SC1_CARD"."""

    called: str = ""

    @property
    def name(self) -> str:
        return self.called


def with_cards(
    shots: Sequence[CompiledShot], cards: Cards, film: FilmForm, title: str, scenes: Mapping[str, Scene]
) -> tuple[CompiledShot, ...]:
    """The shots with their cards before them. title: of the film; scenes: by number"""
    if cards == "none":
        return tuple(shots)
    found: list[CompiledShot] = []
    scene = None
    for shot in shots:
        if shot.shot.scene != scene:
            scene = shot.shot.scene
            found.append(scene_card([one for one in shots if one.shot.scene == scene], film, scenes.get(scene)))
        if cards == "shots":
            found.append(slate(shot, film, title))
        found.append(shot)
    return tuple(found)


def scene_card(shots: Sequence[CompiledShot], film: FilmForm, scene: Scene | None) -> CompiledShot:
    """The card of a scene: its number and heading, what its synopsis tells, who speaks, how long it is.

    shots: of this scene, one at least; scene: None for one that is no longer in the script
    """
    first = shots[0].shot
    told = [element.plain for element in scene.elements if element.kind == "synopsis"] if scene else []
    who = [name.title() for name in scene.characters] if scene else []
    length = sum(shot.shot.frames for shot in shots)
    rows = (
        ("Story", " ".join(told)),
        ("Heard", ", ".join(who)),
        ("Shots", str(len(shots))),
        ("Length", f"{timecode_of(length, film.rate)[3:]}, {length} frames"),
    )
    heading = f"{first.scene}  {first.heading}"
    return _card(f"card-{first.scene}", f"SC{first.scene}_CARD", first, heading, rows, SCENE_S, film)


def slate(shot: CompiledShot, film: FilmForm, title: str) -> CompiledShot:
    """The slate of a shot: which it is, which take, how it is seen, what was asked for."""
    at, drawn = shot.shot, shot.request.drawn
    rows = (
        ("Film", title),
        ("Scene", f"{at.scene}  {at.heading}"),
        ("Take", str(shot.take)),
        ("Seen", f"{at.size}, {at.angle}, {at.move}"),
        ("Length", f"{at.frames} frames at {film.rate}"),
        ("Asked for", drawn.prompt if drawn else at.text),
        ("Drawn by", f"{drawn.model}{', draft' if shot.draft else ''}" if drawn else ""),
    )
    return _card(f"slate-{at.id}", f"{at.name}_SLATE", at, at.name, rows, SLATE_S, film)


def _card(
    name: str, called: str, like: Shot, title: str, rows: Sequence[tuple[str, str]], seconds: float, film: FilmForm
) -> CompiledShot:
    frames = frames_of(seconds, rate_of(film.rate))
    card = Card(name, like.scene, 0, "title", like.heading, title, like.lines, frames, called=called)
    request = ShotRequest(
        name=called, card=title[:2000], rows=tuple(row for row in rows if row[1]), frames=frames, rate=film.rate,
        width=film.width, height=film.height, encoding=film.encoding,
    )  # fmt: skip
    return CompiledShot(card, request)
