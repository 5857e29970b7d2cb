"""Moving digits: one or two, drawn as strokes, each going its own way; the caption names both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.moving.canvas import ground, reduced, stroke
from training.data.moving.shapes import DIRECTIONS, SPEEDS

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

#: The seven strokes of a digit, x and y of their ends, from -1 to 1, y down: top, upper right, lower right, bottom,
#: lower left, upper left, middle.
STROKES = (
    ((-0.5, -1), (0.5, -1)), ((0.5, -1), (0.5, 0)), ((0.5, 0), (0.5, 1)), ((-0.5, 1), (0.5, 1)),
    ((-0.5, 0), (-0.5, 1)), ((-0.5, -1), (-0.5, 0)), ((-0.5, 0), (0.5, 0)),
)  # fmt: skip
#: Which of them each digit has.
DIGITS = ("012345", "12", "01346", "01236", "1256", "02356", "023456", "012", "0123456", "012356")

HEIGHT, WIDTH = 0.16, 0.05
WHITE = (255, 255, 255)
BLACK = ((0, 0, 0), (0, 0, 0))


@dataclass(frozen=True)
class DigitsSpec:
    """One clip. digits: (digit, a key of DIRECTIONS, a key of SPEEDS) each, one or two; the second lies below"""

    digits: tuple[tuple[int, str, str], ...]


def draw_spec(rng: np.random.Generator) -> DigitsSpec:
    """A clip by chance, with one digit or two different ones."""
    count = int(rng.integers(1, 3))
    ways = list(DIRECTIONS) if count == 1 else ["to the right", "to the left"]
    digits = rng.choice(10, count, replace=False)
    return DigitsSpec(tuple((int(digit), str(rng.choice(ways)), str(rng.choice(list(SPEEDS)))) for digit in digits))


def caption_of(spec: DigitsSpec) -> str:
    """What the clip shows, in one sentence."""
    return " and ".join(f"the digit {NAMES[digit]} moves {speed} {way}" for digit, way, speed in spec.digits)


def draw_clip(spec: DigitsSpec, size: int, num_frames: int) -> npt.NDArray[np.uint8]:
    """The clip, white on black: uint8 RGB (F, size, size, 3)."""
    behind = ground("plain", *BLACK, size)
    frames = np.empty((num_frames, size, size, 3), np.uint8)
    for i in range(num_frames):
        canvas, t = behind.copy(), i / max(1, num_frames - 1)
        for place, (digit, way, speed) in enumerate(spec.digits):
            middle = np.array([0.5, 0.5 if len(spec.digits) == 1 else (0.27, 0.73)[place]])
            where = middle + np.array(DIRECTIONS[way]) * SPEEDS[speed] * (t - 0.5)
            for name in DIGITS[digit]:
                stroke(canvas, np.array(STROKES[int(name)]) * HEIGHT + where, WIDTH, WHITE)
        frames[i] = reduced(canvas)
    return frames
