"""What is written into an animatic's picture: which shot this is on the left, timecode on the right, what is said."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from diffscaler.film.fonts import Letters
from diffscaler.film.lettering import LINE_HEIGHT, SMALLEST_PX, broken, write_lines
from diffscaler.media import Frames

#: Of the frame's height: the letters of the strip; those of what is said, and how far above the edge that ends.
LETTERS, SAID, SAID_ABOVE = 0.045, 0.055, 0.115
#: Of the frame's width that lines may take.
MEASURE = 0.86


def burnt_in(frame: Frames, left: str, right: str) -> Frames:
    """A frame, uint8 RGB (H, W, 3), with two texts along its lower edge, white on a darkened strip; a new array.

    In narrow frames they get smaller, so that they do not meet. A timecode keeps its size and place as it counts.
    """
    from PIL import Image, ImageDraw

    height, width = frame.shape[:2]
    strip_px = max(8, round(height * LETTERS))
    code = re.sub(r"\d", "0", right)
    letters = _letters(left, code, width, strip_px)
    made = frame.copy()
    strip = made[max(0, height - 2 * strip_px) :]
    strip //= 3
    picture = Image.fromarray(strip)
    draw = ImageDraw.Draw(picture)
    middle = picture.height / 2
    border = letters.size_px / 2
    letters.draw(draw, border, middle, left, "white")
    letters.draw(draw, width - border - letters.width(code), middle, right, "white")
    strip[:] = np.asarray(picture)
    return made


def captioned(frame: Frames, text: str) -> Frames:
    """A frame, uint8 RGB (H, W, 3), with what is said in its lower third, white with a dark edge, above the strip.

    A new array.
    """
    height, width = frame.shape[:2]
    first, added, kept = _words(text, width, height)
    made = frame.copy()
    under = made[first : first + len(added)]
    under[:] = added + (under * kept + 127) // 255
    return made


@lru_cache(16)
def _letters(left: str, code: str, width: int, largest_px: int) -> Letters:
    """The letters of the strip; the frames of a shot have the same. code: a timecode of zeros"""
    size, text = largest_px, left + code + "0123456789"
    letters = Letters(text, size)
    while size > SMALLEST_PX and letters.width(left) + letters.width(code) > width - 2 * size:
        size -= 1
        letters = Letters(text, size)
    return letters


@lru_cache(4)
def _words(text: str, width: int, height: int) -> tuple[int, npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Words as they lie over any picture: drawn once for all frames that show them.

    (the first row they touch, what they add there, how much of the picture they leave), both (rows, width, 1), 0..255
    """
    from PIL import Image, ImageDraw

    letters = Letters(text, max(SMALLEST_PX, round(height * SAID)))
    lines = broken(text, letters, width * MEASURE)
    top = height * (1 - SAID_ABOVE) - len(lines) * letters.size_px * LINE_HEIGHT
    outline = max(1, round(letters.size_px / 9))
    drawn: list[npt.NDArray[np.uint16]] = []
    for ground in ("black", "white"):
        picture = Image.new("L", (width, height), ground)
        draw = ImageDraw.Draw(picture)
        write_lines(draw, letters, lines, width / 2, max(0.0, top), align="centre", outline=outline)
        drawn.append(np.asarray(picture, np.uint16))
    on_black, on_white = drawn
    rows = np.flatnonzero(((on_black > 0) | (on_white < 255)).any(axis=1))
    first, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    added, kept = on_black[first:stop, :, None], (on_white - on_black)[first:stop, :, None]
    added.flags.writeable = kept.flags.writeable = False  # every frame is given the same ones
    return first, added, kept
