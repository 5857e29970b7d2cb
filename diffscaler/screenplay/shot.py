"""One shot of a shot list: what is seen, how, for how many frames, and where the script says so."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from diffscaler.errors import ScriptError
from diffscaler.screenplay.script import Lines

Size = Literal[
    "extreme wide", "wide", "full", "medium", "medium close-up", "close-up", "extreme close-up", "over the shoulder",
    "insert",
]  # fmt: skip
Angle = Literal["eye level", "low", "high", "overhead", "point of view"]
Move = Literal["static", "pan left", "pan right", "tilt", "zoom in", "push in", "pull out", "tracking", "handheld"]
#: title: words on a card, no picture.
Role = Literal["establishing", "action", "dialogue", "title"]

SIZES: tuple[str, ...] = get_args(Size)
ANGLES: tuple[str, ...] = get_args(Angle)
MOVES: tuple[str, ...] = get_args(Move)
ROLES: tuple[str, ...] = get_args(Role)

#: Ids stand in pages, files and keys, and come back from tables and zips that anybody can have written.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Shot:
    """id: stays the same however the script changes; scene: its number; number: place in the scene, from 1

    heading: of the scene, as written; text: what the script says of this shot, on one line: an action, a heading, or
      the words that are spoken
    frames: its length, 1 or more; lines: where the script says so
    characters: who is in the picture, in capitals; speakers and dialogue: who is heard, and what each says
    manner: how it is said or what is done meanwhile, from parentheticals
    begins, ends: transitions as written, "" for a plain cut
    prompt: what a model is asked for; edited: names of the fields a person has set, which a new draft leaves alone
    locked: not to be changed, split or merged
    source: the script's own texts this shot covers, by which it is found again when the script has changed
    part_of: id of the shot this one was split from; it goes where that one goes
    """

    id: str
    scene: str
    number: int
    role: Role
    heading: str
    text: str
    lines: Lines
    frames: int
    size: Size = "medium"
    angle: Angle = "eye level"
    move: Move = "static"
    characters: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    dialogue: tuple[str, ...] = ()
    manner: str = ""
    begins: str = ""
    ends: str = ""
    prompt: str = ""
    note: str = ""
    locked: bool = False
    edited: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    part_of: str = ""

    @property
    def name(self) -> str:
        """For slates and files: "SC1A_SH030", steps of ten as boards count."""
        return f"SC{self.scene}_SH{self.number * 10:03d}"


def is_id(text: str) -> bool:
    """Whether a text can be the id of a shot: 1 to 100 letters a to z, digits, dots, dashes and underscores."""
    return _ID.fullmatch(text) is not None


#: What a person may set; the rest follows from the script.
EDITABLE = (
    "text", "frames", "size", "angle", "move", "characters", "speakers", "dialogue", "manner", "begins", "ends",
    "prompt", "note", "locked",
)  # fmt: skip
#: Stands in `edited` of a shot that a person took off the board: its text does not bring it back.
OUT = "out"
FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Shot))


def edit(shot: Shot, **values: Any) -> Shot:
    """A shot with some fields set by a person. Raises ScriptError for a locked shot, unless it is being unlocked."""
    if unknown := [name for name in values if name not in EDITABLE]:
        raise ValueError(f"a person does not set {', '.join(unknown)}")
    if shot.locked and values.get("locked", True):
        raise ScriptError(f"{shot.name} is locked.", "Unlock it first.")
    if values.get("frames", 1) < 1:
        raise ScriptError("A shot has one frame at least.", "Give it more frames, or remove it.")
    changed = {name: value for name, value in values.items() if getattr(shot, name) != value}
    edited = tuple(name for name in EDITABLE if name in shot.edited or name in changed)
    return replace(shot, **changed, edited=edited)


def renumbered(shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
    """Shots counted from 1 within their scenes, in the order they stand."""
    counts: dict[str, int] = {}
    found = []
    for shot in shots:
        counts[shot.scene] = counts.get(shot.scene, 0) + 1
        found.append(shot if shot.number == counts[shot.scene] else replace(shot, number=counts[shot.scene]))
    return tuple(found)


def split(shot: Shot, at_frame: int) -> tuple[Shot, Shot]:
    """A shot in two; the second gets an id of its own. Its words stay with the first.

    at_frame: 1 to frames - 1. Raises ScriptError outside of it, and for a locked shot.
    """
    if not 0 < at_frame < shot.frames:
        raise ScriptError(
            f"{shot.name} has {shot.frames} frames; it cannot be split at {at_frame}.", "Split it inside."
        )
    first = edit(shot, frames=at_frame, ends="")
    second = replace(shot, id=f"{shot.id}-{at_frame}", source=(), part_of=shot.part_of or shot.id)
    return first, edit(second, frames=shot.frames - at_frame, begins="", dialogue=(), speakers=())


def merge(one: Shot, other: Shot) -> Shot:
    """Two neighbours as the first, as long as both. Raises ScriptError for a locked one."""
    if other.locked:
        raise ScriptError(f"{other.name} is locked.", "Unlock it first.")
    texts = (one.text, other.text) if one.text != other.text else (one.text,)
    merged = edit(
        one, text=" ".join(texts), frames=one.frames + other.frames, ends=other.ends,
        characters=tuple(dict.fromkeys((*one.characters, *other.characters))),
        speakers=(*one.speakers, *other.speakers), dialogue=(*one.dialogue, *other.dialogue),
    )  # fmt: skip
    lines = Lines(min(one.lines.first, other.lines.first), max(one.lines.last, other.lines.last))
    return replace(merged, lines=lines, source=tuple(dict.fromkeys((*one.source, *other.source))))
