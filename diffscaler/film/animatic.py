"""Shots in the order of a film: what its cut says of them, and what is asked of its animatic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from diffscaler.film.cutting import ShotInFilm
from diffscaler.requests import SpokenLine
from diffscaler.screenplay.compile import CompiledShot
from diffscaler.screenplay.export.cut import Cut, Event
from diffscaler.screenplay.export.srt import subtitles_of
from diffscaler.screenplay.rates import frames_of, rate_of
from diffscaler.screenplay.shot import Shot
from diffscaler.screenplay.transitions import Edges, without_neighbours
from diffscaler.video.soundtrack import Caption

#: People draw breath before they speak.
BREATH_S = 0.3


@dataclass(frozen=True)
class Placed:
    """A shot in a cut. edges: as this cut has them, without dissolves to shots that are not in it"""

    compiled: CompiledShot
    edges: Edges

    @property
    def shot(self) -> Shot:
        return self.compiled.shot

    @property
    def clip_frames(self) -> int:
        """Of its clip, the handles included."""
        return self.compiled.request.frames

    @property
    def in_film(self) -> ShotInFilm:
        """Which frames of its clip the film shows."""
        start, edges = self.compiled.head, self.edges
        return ShotInFilm(
            start=start, stop=start + self.shot.frames, dissolve=edges.dissolve_in, fade_in=edges.fade_in,
            fade_out=edges.fade_out,
        )  # fmt: skip

    def event(self, clip: Path, clip_start: int = 0, reel: str = "") -> Event:
        """It in the cut. clip_start: the count of its file's first timecode; reel: of that file"""
        shown, shot = self.in_film, self.shot
        return Event(
            shot.name, clip, shown.start, shown.stop, self.clip_frames, clip_start, reel, dialogue=shot.dialogue,
            comment=shot.text, dissolve=shown.dissolve, fade_in=shown.fade_in, fade_out=shown.fade_out,
        )  # fmt: skip


def placed(shots: Sequence[CompiledShot], film: Sequence[Shot]) -> tuple[Placed, ...]:
    """Shots in the order they are shown. film: all shots of the film; where one of these is left out, or a card stands
    between two, or one was made without frames to dissolve with, there is no dissolve."""
    behind = {one.id: other.id for one, other in pairwise(film)}
    follows = [False, *(
        behind.get(one.shot.id) == other.shot.id and one.edges.dissolve_out == other.edges.dissolve_in
        for one, other in pairwise(shots)
    ), False]  # fmt: skip
    return tuple(
        Placed(shot, without_neighbours(shot.edges, follows[at], follows[at + 1])) for at, shot in enumerate(shots)
    )


def captions_of(cut: Cut) -> tuple[Caption, ...]:
    """What is said in a cut, as text to show."""
    return tuple(Caption(start=one.start, stop=one.stop, text=one.text) for one in subtitles_of(cut))


def lines_of(shots: Sequence[Placed], rate: str, voices: Mapping[str, tuple[str, int]]) -> tuple[SpokenLine, ...]:
    """The film's scratch dialogue. voices: by character, a variant and a pitch; who has none is not heard"""
    found: list[SpokenLine] = []
    at = 0
    for one in shots:
        shot = one.shot
        lead = min(frames_of(BREATH_S, rate_of(rate)), shot.frames // 4)
        for name, words in zip(shot.speakers, shot.dialogue, strict=False):
            if name in voices and any(letter.isalnum() for letter in words):
                voice, pitch = voices[name]
                room = max(1, shot.frames - lead)
                found.append(SpokenLine(text=words[:5000], voice=voice, pitch=pitch, at=at + lead, room=room))
        at += shot.frames
    return tuple(found)
