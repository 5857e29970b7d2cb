"""Letters on cards, in burn-in and on boards: Pillow's own font, and what the system has for letters that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

#: As FreeType finds them in the system's font folders; the first one that has a letter draws it.
FALLBACKS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansCJK-VF.ttc", "NotoSansCJKjp-Regular.otf", "NotoSansJP-Regular.otf",
    "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "wqy-microhei.ttc", "wqy-zenhei.ttc", "ipagp.ttf",
    "Hiragino Sans GB.ttc", "PingFang.ttc", "AppleSDGothicNeo.ttc", "msyh.ttc", "msgothic.ttc", "malgun.ttf",
    "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf",
)  # fmt: skip
OWN = ""

_ANY_PX = 20


class Letters:
    """Fonts that together draw a text as far as this machine can.

    size_px: of the letters' height, about; missing: letters that no font here has, each once
    """

    def __init__(self, text: str, size_px: int) -> None:
        self.size_px = size_px
        lacks, names = lacking(OWN, text), [OWN]
        for name in FALLBACKS:
            if not lacks:
                break
            if (font_file(name) is not None) and len(still := lacking(name, lacks)) < len(lacks):
                names.append(name)
                # One font for all of it where one has all: letters of several fonts do not sit well side by side,
                # and only within one font are words from right to left put in their order.
                names = [name] if not lacking(name, text) else names
                lacks = still
        self.names, self.missing = tuple(names), lacks

    def runs(self, text: str) -> Iterator[tuple[Any, str]]:
        """(a Pillow font, the letters it draws), in order."""
        for name, letters in groupby(text, self._name_for):
            yield _font(name, self.size_px), "".join(letters)

    def width(self, text: str) -> float:
        """Pixels a line of text takes."""
        return sum(font.getlength(part) for font, part in self.runs(text))

    def draw(self, picture: Any, x: float, y: float, text: str, fill: Any, outline: int = 0) -> None:
        """Write one line on a Pillow ImageDraw. x: its left; y: its middle; outline: pixels of black around it"""
        for font, part in self.runs(text):
            picture.text((x, y), part, fill, font, anchor="lm", stroke_width=outline, stroke_fill="black")
            x += font.getlength(part)

    def _name_for(self, letter: str) -> str:
        if len(self.names) == 1 or letter.isspace():
            return self.names[0]
        return next((name for name in self.names if not lacking(name, letter)), self.names[0])


@lru_cache(256)
def font_file(name: str) -> Path | None:
    """Where a font of FALLBACKS lies; None when it is not installed."""
    from PIL import ImageFont

    try:
        return Path(str(ImageFont.truetype(name, _ANY_PX).path))
    except OSError:
        return None


@lru_cache(64)
def _font(name: str, size_px: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file(name)), size_px) if name else ImageFont.load_default(size_px)


def lacking(name: str, text: str) -> str:
    """The letters that a font shows as its box for unknown ones, each once."""
    return "".join(letter for letter in dict.fromkeys(text) if not letter.isspace() and not _has(name, letter))


@lru_cache(16384)
def _has(name: str, letter: str) -> bool:
    return _shape(name, letter) != _shape(name, "\uffff")


def _shape(name: str, letter: str) -> tuple[Any, bytes]:
    mask = _font(name, _ANY_PX).getmask(letter)
    return mask.size, bytes(mask)
