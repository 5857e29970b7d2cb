"""Cuts a clip into shots and measures each, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffscaler.video.cuts import is_cut, thumbnail
from training.data.footage import Footage
from training.data.scoring import Measured, Scorer

#: Pixels of the longer side from which the thumbnails for cuts are made.
SIDE = 96
#: Level that no part of a black picture reaches: film fades through black between scenes.
BLACK = 20.0


@dataclass(frozen=True)
class FoundShot:
    """Frames [start, stop) with the seconds at which they begin and end."""

    start: int
    stop: int
    start_s: float
    stop_s: float
    measured: Measured


def shots_of(footage: Footage, go_on: Callable[[], None], looks: bool = False) -> Iterator[FoundShot]:
    """Each shot of a clip. Black between two scenes is a shot of its own.

    go_on: called with every frame; what it raises ends the reading
    looks: whether frames for CLIP are wanted of each, see Measured
    Raises MediaError when a frame cannot be decoded.
    """
    before: npt.NDArray[np.float32] | None = None
    scorer, start, start_s, seen = Scorer(footage, looks), 0, 0.0, 0
    for frame in footage.frames:
        go_on()
        now = thumbnail(frame.shrunk(SIDE))
        if before is not None and (is_cut(before, now) or is_black(before) != is_black(now)):
            yield FoundShot(start, frame.index, start_s, frame.time_s, scorer.measured())
            scorer, start, start_s = Scorer(footage, looks), frame.index, frame.time_s
        scorer.add(frame)
        before, seen = now, frame.index + 1
    if seen > start:
        yield FoundShot(start, seen, start_s, footage.end_s, scorer.measured())


def is_black(picture: npt.NDArray[np.float32]) -> bool:
    return bool(picture.max() < BLACK)
