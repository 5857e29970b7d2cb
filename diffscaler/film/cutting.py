"""Which frames of a film come from which shots, and how they are mixed where two shots meet or one fades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from diffscaler.media import Frames


class ShotInFilm(BaseModel):
    """Which frames of a clip a film shows: start to stop, stop excluded.

    dissolve: frames of the cross-dissolve from the shot before, even, half of it on either side of the cut
    fade_in, fade_out: frames from and to black, within the shot
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(ge=0)
    stop: int = Field(ge=1)
    dissolve: int = Field(0, ge=0, multiple_of=2)
    fade_in: int = Field(0, ge=0)
    fade_out: int = Field(0, ge=0)

    @property
    def frames(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Part:
    """Frames [start, stop) of the film that come from one shot, or from it and the next while one turns into the other.

    shot: counted from 0
    """

    shot: int
    start: int
    stop: int
    mixed: bool = False


def parts_of(shots: Sequence[ShotInFilm]) -> Iterator[Part]:
    """The film's parts in order; together they are every frame once."""
    at = 0
    for number, shot in enumerate(shots):
        cut = at + shot.frames
        behind = shots[number + 1].dissolve // 2 if number + 1 < len(shots) else 0
        begins, ends = at + shot.dissolve // 2, cut - behind
        if ends > begins:
            yield Part(number, begins, ends)
        if behind:
            yield Part(number, ends, cut + behind, mixed=True)
        at = cut


def mixed(one: Frames, other: Frames, at: int, frames: int) -> Frames:
    """Frame `at`, from 0, of a dissolve of so many frames, of which none shows one picture alone.

    one, other: uint8 RGB (H, W, 3), mixed as they are encoded, as edit suites do
    """
    share = (at + 1) / (frames + 1)
    blend = one.astype(np.float32) * (1 - share) + other.astype(np.float32) * share
    return np.rint(blend).astype(np.uint8)


def faded(frame: Frames, shot: ShotInFilm, at: int) -> Frames:
    """A shot's frame `at`, from 0, as its fades show it: the very first and the very last one are black.

    Frames of a handle lie outside, and stay as they are.
    """
    level = 1.0
    if 0 <= at < shot.fade_in:
        level = at / shot.fade_in
    if 0 <= (left := shot.frames - 1 - at) < shot.fade_out:
        level = min(level, left / shot.fade_out)
    if level == 1.0:
        return frame
    return np.rint(frame.astype(np.float32) * level).astype(np.uint8)
