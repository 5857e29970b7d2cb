"""Scene headings: "INT. KITCHEN - NIGHT" as where, inside or outside, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Setting = Literal["INT", "EXT", "INT/EXT", ""]

#: A line that begins so is a heading, in any case (fountain.io/syntax, "Scene Heading").
OPENS = re.compile(r"(?:INT\.?/EXT|EXT\.?/INT|I/E|INT|EXT|EST)[. ]", re.IGNORECASE)

_SETTING = re.compile(r"(INT\.?/EXT|EXT\.?/INT|I/E|INT|EXT|EST)(?:\.|(?=\s)|$)[\s.]*", re.IGNORECASE)

TIMES = frozenset(
    "day night morning afternoon evening dawn dusk sunrise sunset noon midday midnight twilight later continuous "
    "same predawn daybreak".split()
)
#: What may stand before or behind such a word.
_TIME_NOTES = frozenset(
    "moments the next following same time a few an hour hours minutes days weeks months years early late "
    "before after magic golden first last light that".split()
)

#: A dash between spaces, a long dash, or the comma some writers use instead.
_DASH = re.compile(r"\s+[-–—]+\s+|\s*[–—]\s*")


@dataclass(frozen=True)
class Heading:
    """setting: "" where the heading names none; place: as written; time: as written, "" where none is named."""

    setting: Setting
    place: str
    time: str

    @property
    def slug(self) -> str:
        """The heading put together again: "INT. KITCHEN - NIGHT"."""
        where = f"{self.setting}. {self.place}" if self.setting else self.place
        return f"{where} - {self.time}" if self.time else where


def opens_heading(line: str) -> bool:
    """Whether a line begins as headings do."""
    return OPENS.match(line) is not None


def read_heading(text: str) -> Heading:
    """What a heading says. text: one line, without marks, notes and scene number."""
    text = " ".join(text.split())
    found = _SETTING.match(text)
    setting: Setting = ""
    if found:
        word = found[1].upper().replace(".", "")
        setting = "INT/EXT" if "/" in word else "INT" if word == "INT" else "EXT"
        text = text[found.end() :]
    parts = [part for part in _DASH.split(text) if part]
    if len(parts) > 1 and _is_time(parts[-1]):
        return Heading(setting, " - ".join(parts[:-1]), parts[-1])
    place, comma, last = text.rpartition(", ")
    if comma and _is_time(last):
        return Heading(setting, place, last)
    if len(parts) == 1 and _is_time(parts[0]) and not setting:
        return Heading(setting, "", parts[0])
    return Heading(setting, " - ".join(parts), "")


def _is_time(text: str) -> bool:
    words = re.findall(r"[^\W_]+", text.lower())
    if words in (["magic", "hour"], ["golden", "hour"]):
        return True
    known = all(word in TIMES or word in _TIME_NOTES or word.isdigit() for word in words)
    return known and not TIMES.isdisjoint(words)
