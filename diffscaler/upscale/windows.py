"""A picture cut into windows: what each one answers for, and how much around it a network has to see for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# A grid of more windows than this on a side is never better than one of this many.
MOST_A_SIDE = 64


class Box(NamedTuple):
    """Pixels [top, bottom) x [left, right)."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Window:
    """own: pixels that this window alone answers for; seen: what the network is shown, own and its surroundings"""

    own: Box
    seen: Box


def spans(length: int, size: int, align: int) -> list[tuple[int, int]]:
    """[0, length) in pieces of nearly equal size, at most `size` each; all but the last stop at multiples of `align`.

    size: at least `align`, which is what it is taken for when it is smaller
    """
    size = max(align, size // align * align)
    count = -(-length // size)
    step = -(-length // (count * align)) * align
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def cover(height: int, width: int, tall: int, wide: int, overlap_px: int, align: int) -> Iterator[Window]:
    """Windows of at most tall x wide own pixels; each pixel is the own of exactly one.

    What is seen begins and stops at multiples of `align` too, or at the picture's border: a network that works on a
    grid, a pixel unshuffle or windowed attention, then meets it where it lies in the whole picture.
    """
    around = -(-overlap_px // align) * align
    for top, bottom in spans(height, tall, align):
        for left, right in spans(width, wide, align):
            seen = Box(
                max(0, top - around), max(0, left - around), min(height, bottom + around), min(width, right + around)
            )
            yield Window(Box(top, left, bottom, right), seen)


def least_work(
    height: int, width: int, limit_px: int, overlap_px: int, align: int, at_least: int = 1
) -> tuple[int, int]:
    """(tall, wide) of the windows that see the fewest pixels in all, none of them more than `limit_px`.

    at_least: windows there must be, so that every core has one; where the limit is less than a window must see to
    answer for anything, windows are as small as the picture's grid allows
    """
    around = -(-overlap_px // align) * align
    best: tuple[float, int, int] | None = None
    for rows in range(1, min(MOST_A_SIDE, -(-height // align)) + 1):
        tall = -(-height // (rows * align)) * align
        high = min(height, tall + 2 * around)
        for columns in range(1, min(MOST_A_SIDE, -(-width // align)) + 1):
            wide = -(-width // (columns * align)) * align
            broad = min(width, wide + 2 * around)
            if high * broad > limit_px or rows * columns < at_least:
                continue
            # Borders see less than windows inside; counting all alike keeps the choice simple and errs for fewer.
            work = high * rows * broad * columns
            if best is None or work < best[0]:
                best = (work, tall, wide)
    if best is not None:
        return best[1:]
    small = max(align, 4 * overlap_px // align * align)
    return min(small, -(-height // align) * align), min(small, -(-width // align) * align)


def ramp(seen_start: int, start: int, stop: int, seen_stop: int) -> npt.NDArray[np.float32]:
    """How much each of the pixels [seen_start, seen_stop) counts: 1 inside, falling to almost 0 over both overlaps.

    Neighbours overlap on both sides of where their own pixels meet, so the ramp is as wide inside as outside.
    """
    at = np.arange(seen_start, seen_stop) + 0.5
    rise = np.ones(len(at)) if start == seen_start else (at - seen_start) / (2 * (start - seen_start))
    fall = np.ones(len(at)) if stop == seen_stop else (seen_stop - at) / (2 * (seen_stop - stop))
    return np.minimum(rise, fall).clip(0, 1).astype(np.float32)
