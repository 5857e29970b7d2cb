"""How stored pixels become upright, square ones: the display matrix and the sample aspect ratio."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from diffscaler.media import Frames


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways a picture can be stored: first turned, then mirrored.

    quarter_turns: counter-clockwise quarter turns that make the stored picture upright, 0..3
    mirrored: flip left and right after turning
    """

    quarter_turns: int = 0
    mirrored: bool = False

    @property
    def swaps(self) -> bool:
        """Whether width and height change places."""
        return self.quarter_turns % 2 == 1

    def apply(self, frame: Frames) -> Frames:
        """uint8 (H, W, 3) as stored -> uint8 upright, contiguous."""
        turned = np.rot90(frame, self.quarter_turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)


UPRIGHT = Orientation()


def orientation_of(frame: VideoFrame) -> Orientation:
    """The orientation that the file's display matrix asks for; turns that are no quarter turns count as the nearest."""
    # PyAV types this mapping as if it held motion vectors only.
    side_data: Any = frame.side_data
    try:
        matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32)
    except KeyError:
        return UPRIGHT
    return orientation_from_matrix(float(matrix[0]), float(matrix[1]), float(matrix[3]), float(matrix[4]))


def orientation_from_matrix(a: float, b: float, c: float, d: float) -> Orientation:
    """The orientation nearest to a display matrix.

    a, b, c, d: its linear part, any scale. A stored point (x, y), y down, is shown at (a x + c y, b x + d y).
    """
    mirrored = a * d - b * c < 0
    if mirrored:  # shown = mirror after turn; undo the mirror (x -> -x) to see the turn
        a, c = -a, -c
    # What is left is a rotation: x axis (1, 0) goes to (a, b), with y down. Counter-clockwise on screen means b < 0.
    angle = np.degrees(np.arctan2(-b, a)) if (a or b) else 0.0
    return Orientation(quarter_turns=round(float(angle) / 90) % 4, mirrored=mirrored)


def shown_size(width: int, height: int, aspect: Fraction, orientation: Orientation) -> tuple[int, int]:
    """(width, height) as shown: pixels made square by stretching the width, then turned upright; each at least 1."""
    width, height = square_size(width, height, aspect)
    return (height, width) if orientation.swaps else (width, height)


def square_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """(width, height) with square pixels, before turning. aspect: width / height of one stored pixel."""
    # floor(x + 1/2): Python's round() would take halves to even.
    return max(1, int(width * aspect + Fraction(1, 2))), max(1, height)


def aspect_of(ratio: Fraction | None) -> Fraction:
    """A stated sample aspect ratio, or 1 where it is absent or absurd (beyond 1:20, as damaged headers state)."""
    if not ratio or ratio <= 0:
        return Fraction(1)
    ratio = Fraction(ratio)
    return ratio if Fraction(1, 20) <= ratio <= 20 else Fraction(1)
