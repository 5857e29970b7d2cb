"""Text broken into lines and made small enough for its place in a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from diffscaler.film.fonts import Letters

#: Of the letters' height.
LINE_HEIGHT = 1.35
SMALLEST_PX = 7


def broken(text: str, letters: Letters, width: float) -> list[str]:
    """Lines of `text` that are at most `width` pixels wide: broken at spaces, and within words that are wider, as those
    of scripts without spaces are. Its own line breaks stay."""
    lines: list[str] = []
    space = letters.width(" ")
    for paragraph in text.split("\n"):
        lines.append("")
        used = 0.0
        for word in paragraph.split():
            wide = letters.width(word)
            if used and used + space + wide <= width:
                lines[-1] += f" {word}"
                used += space + wide
                continue
            pieces = [word] if wide <= width else list(_pieces(word, letters, width))
            if used:
                lines.append("")
            lines[-1:] = pieces
            used = letters.width(pieces[-1])
    return lines


def fitted(text: str, width: float, height: float, largest_px: int) -> tuple[Letters, list[str]]:
    """A text in a box of pixels: letters of `largest_px`, or smaller until all of it fits.

    What does not fit at the smallest size is cut off, which three dots tell.
    """
    size = max(SMALLEST_PX, largest_px)
    while True:
        letters = Letters(text, size)
        lines = broken(text, letters, width)
        if len(lines) * size * LINE_HEIGHT <= height:
            return letters, lines
        if size <= SMALLEST_PX:
            kept = lines[: max(1, int(height / (size * LINE_HEIGHT)))]
            return letters, [*kept[:-1], f"{kept[-1][:-1]}…"]
        # So many lines become fewer as letters get smaller: by the square root, but for how they break.
        smaller = size * (height / (len(lines) * size * LINE_HEIGHT)) ** 0.5
        size = max(SMALLEST_PX, min(size - 1, int(smaller * 1.05)))


def write_lines(
    picture: Any, letters: Letters, lines: list[str], x: float, y: float, fill: Any = "white",
    align: Literal["left", "centre"] = "left", outline: int = 0,
) -> float:  # fmt: skip
    """Write lines on a Pillow ImageDraw and return where the next would begin.

    x: their left, or their middle; y: the top of the first; outline: pixels of black around the letters
    """
    step = letters.size_px * LINE_HEIGHT
    for line in lines:
        left = x if align == "left" else x - letters.width(line) / 2
        letters.draw(picture, left, y + step / 2, line, fill, outline)
        y += step
    return y


def _pieces(word: str, letters: Letters, width: float) -> Iterator[str]:
    """A word in parts that fit."""
    piece, used = "", 0.0
    for letter in word:
        wide = letters.width(letter)
        if piece and used + wide > width:
            yield piece
            piece, used = "", 0.0
        piece, used = piece + letter, used + wide
    yield piece
