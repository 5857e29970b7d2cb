"""What is written into an animatic's picture: which shot this is on the left, timecode on the right, what is said."""

from __future__ import annotations

import numpy as np

from diffscaler.film.fonts import Letters
from diffscaler.film.lettering import LINE_HEIGHT, SMALLEST_PX, broken, write_lines
from diffscaler.media import Frames

#: Of the frame's height: the letters of the strip; those of what is said, and how far above the edge that ends.
LETTERS, SAID, SAID_ABOVE = 0.045, 0.055, 0.115
#: Of the frame's width that lines may take.
MEASURE = 0.86


def burnt_in(frame: Frames, left: str, right: str) -> Frames:
    """A frame, uint8 RGB (H, W, 3), with two texts along its lower edge, white on a darkened strip; a new array.

    In narrow frames they get smaller, so that they do not meet.
    """
    from PIL import Image, ImageDraw

    height, width = frame.shape[:2]
    size = strip_px = max(8, round(height * LETTERS))
    letters = Letters(left + right, size)
    while size > SMALLEST_PX and letters.width(left) + letters.width(right) > width - 2 * size:
        size -= 1
        letters = Letters(left + right, size)
    made = frame.copy()
    strip = made[max(0, height - 2 * strip_px) :]
    strip //= 3
    picture = Image.fromarray(strip)
    draw = ImageDraw.Draw(picture)
    middle = picture.height / 2
    letters.draw(draw, size / 2, middle, left, "white")
    letters.draw(draw, width - size / 2 - letters.width(right), middle, right, "white")
    strip[:] = np.asarray(picture)
    return made


def captioned(frame: Frames, text: str) -> Frames:
    """A frame, uint8 RGB (H, W, 3), with what is said in its lower third, white with a dark edge, above the strip."""
    from PIL import Image, ImageDraw

    height, width = frame.shape[:2]
    letters = Letters(text, max(SMALLEST_PX, round(height * SAID)))
    lines = broken(text, letters, width * MEASURE)
    picture = Image.fromarray(frame)
    top = height * (1 - SAID_ABOVE) - len(lines) * letters.size_px * LINE_HEIGHT
    outline = max(1, round(letters.size_px / 9))
    draw = ImageDraw.Draw(picture)
    write_lines(draw, letters, lines, width / 2, max(0.0, top), align="centre", outline=outline)
    return np.array(picture)
