"""What is written into an animatic's picture: which shot this is on the left, timecode on the right."""

from __future__ import annotations

import numpy as np

from diffscaler.film.fonts import font_for
from diffscaler.media import Frames

#: Of the frame's height.
LETTERS = 0.045


def burnt_in(frame: Frames, left: str, right: str) -> Frames:
    """A frame, uint8 RGB (H, W, 3), with two texts along its lower edge, white on a darkened strip; a new array."""
    from PIL import Image, ImageDraw

    height, width = frame.shape[:2]
    size = max(8, round(height * LETTERS))
    font, _ = font_for(left + right, size)
    made = frame.copy()
    strip = made[max(0, height - 2 * size) :]
    strip //= 3
    picture = Image.fromarray(strip)
    draw = ImageDraw.Draw(picture)
    middle = picture.height / 2
    draw.text((size / 2, middle), left, "white", font, anchor="lm")
    draw.text((width - size / 2, middle), right, "white", font, anchor="rm")
    strip[:] = np.asarray(picture)
    return made
