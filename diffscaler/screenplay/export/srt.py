"""SRT: what is said, timed from the beginning of the cut."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from diffscaler.screenplay.durations import speech_s
from diffscaler.screenplay.export.cut import Cut
from diffscaler.screenplay.rates import rate_of
from diffscaler.screenplay.sentences import beats

#: Two lines of 42 letters are what subtitles have room for.
LETTERS_A_LINE = 42
LINES = 2


@dataclass(frozen=True)
class Subtitle:
    """start, stop: frames from the beginning of the cut, stop excluded."""

    start: int
    stop: int
    text: str


def subtitles_of(cut: Cut) -> tuple[Subtitle, ...]:
    """What is said in each event, for as long as saying it takes; a long speech in parts, each as long as its share of
    letters. A shot that lasts longer than its words is without a subtitle after them."""
    found: list[Subtitle] = []
    for event, at in zip(cut.events, cut.record_starts, strict=True):
        speaking = max((speech_s(line) for line in event.dialogue), default=0.0)
        frames = min(event.frames, ceil(Fraction(speaking) * rate_of(cut.rate)))
        if len(event.dialogue) > 1:  # several at once
            found.append(Subtitle(at, at + frames, "\n".join(f"- {line}" for line in event.dialogue)))
            continue
        parts = [part for line in event.dialogue for _, whole in beats(line, LETTERS_A_LINE * LINES)
                 for part in textwrap.wrap(whole, LETTERS_A_LINE * LINES)]  # fmt: skip
        parts = parts[:frames]
        letters, said = sum(map(len, parts)), 0
        for part in parts:
            start = at + frames * said // letters
            said += len(part)
            stop = at + frames * said // letters
            if stop > start:
                found.append(Subtitle(start, stop, "\n".join(textwrap.wrap(part, LETTERS_A_LINE))))
    return tuple(found)


def srt_of(cut: Cut) -> str:
    """The text of an .srt file; "" where nobody speaks."""
    rate = rate_of(cut.rate)
    rows = [
        f"{number}\n{_time(one.start / rate)} --> {_time(one.stop / rate)}\n{one.text}\n"
        for number, one in enumerate(subtitles_of(cut), 1)
    ]
    return "\n".join(rows)


def _time(seconds: Fraction) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
