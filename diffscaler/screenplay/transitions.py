"""Which transitions of a script are drawn, and how long they are in frames.

A dissolve has the cut in its middle. For that both shots are made longer than the shot list says, by half a dissolve
each: the handles. So the film stays as long as its shot list, and every shot keeps its own frames. Fades to and from
black lie within their shot. Whatever else a script asks for (CUT TO, SMASH CUT TO, MATCH CUT TO, WIPE TO) is a cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.shot import Shot

DISSOLVE_S = 0.5

Kind = Literal["cut", "dissolve", "fade in", "fade out"]

_DISSOLVE = re.compile(r"\b(?:dissolve|cross-? ?fade|mix)\b(?: (?:to|into|through))?|\bfade to ?:?\s*$", re.IGNORECASE)
_FADE_IN = re.compile(r"\bfade (?:in|up)\b", re.IGNORECASE)
_FADE_OUT = re.compile(r"\bfade (?:out|to black)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Edges:
    """How a shot begins and ends, in frames.

    dissolve_in, dissolve_out: of a cross-dissolve from the shot before and into the next; even, half of it in each shot
    fade_in, fade_out: from and to black, within the shot
    """

    dissolve_in: int = 0
    dissolve_out: int = 0
    fade_in: int = 0
    fade_out: int = 0

    @property
    def head(self) -> int:
        """The handle: frames the clip has before the shot's first."""
        return self.dissolve_in // 2

    @property
    def tail(self) -> int:
        """Frames it has behind the shot's last."""
        return self.dissolve_out // 2


PLAIN = Edges()


def kind_of(text: str) -> Kind:
    """What a transition, as written, is drawn as: "DISSOLVE TO:" is a dissolve, "SMASH CUT TO:" a cut."""
    if _FADE_OUT.search(text):
        return "fade out"
    if _FADE_IN.search(text):
        return "fade in"
    return "dissolve" if _DISSOLVE.search(text) else "cut"


def edges_of(shots: Sequence[Shot], rate: str, seconds: float = DISSOLVE_S) -> tuple[Edges, ...]:
    """How each shot of a film begins and ends.

    rate: a name of RATES; seconds: of a dissolve and a fade, 0 for cuts alone. No transition takes more than half of a
    shot: those of short shots are shorter.
    """
    half = int(round(rate_of(rate)) * seconds / 2)
    rooms = [shot.frames // 2 for shot in shots]
    into = [0, *(min(half, rooms[at], rooms[at + 1]) if _dissolves(shots[at], shots[at + 1]) else 0
                 for at in range(len(shots) - 1)), 0]  # fmt: skip
    return tuple(
        Edges(
            dissolve_in=2 * into[at],
            dissolve_out=2 * into[at + 1],
            fade_in=min(2 * half, rooms[at]) if kind_of(shot.begins) == "fade in" and not into[at] else 0,
            fade_out=min(2 * half, rooms[at]) if kind_of(shot.ends) == "fade out" and not into[at + 1] else 0,
        )
        for at, shot in enumerate(shots)
    )


def longer_in_words(edges: Edges) -> str:
    """How much longer a shot's clip is than the shot, and why, as a sentence; "" where it is not."""
    ends = {"from the shot before": edges.head, "into the next": edges.tail}
    where = [end for end, frames in ends.items() if frames]
    if not where:
        return ""
    more = edges.head + edges.tail
    frames = f"{more} frame{'s' if more != 1 else ''}"
    return f"Its clip is {frames} longer than the shot, to dissolve {' and '.join(where)}."


def without_neighbours(edges: Edges, before: bool, after: bool) -> Edges:
    """The edges of a shot where the shots beside it are left out of a cut: no dissolve then, with the handles unused.

    before, after: whether that neighbour is there
    """
    into, out_of = (edges.dissolve_in if before else 0), (edges.dissolve_out if after else 0)
    return replace(edges, dissolve_in=into, dissolve_out=out_of)


def _dissolves(one: Shot, other: Shot) -> bool:
    return kind_of(one.ends) == "dissolve" or (kind_of(other.begins) == "dissolve" and kind_of(one.ends) == "cut")
