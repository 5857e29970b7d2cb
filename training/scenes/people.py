"""People as sprites: drawn limb by limb, so that they walk and run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

Colour = tuple[int, int, int]

#: Size of the drawing in pixels; phases of a step that are drawn.
HEIGHT, WIDTH, STEPS = 220, 150, 8


@dataclass(frozen=True)
class Look:
    """What tells a person from another."""

    top: Colour
    legs: Colour
    hair: Colour
    dress: bool


LOOKS = {
    "man": Look((40, 110, 210), (52, 56, 74), (84, 52, 30), False),
    "woman": Look((206, 44, 84), (236, 190, 156), (40, 30, 36), True),
}
SKIN, SHOE = (240, 196, 160), (40, 36, 40)


@lru_cache(maxsize=128)
def person(name: str, gait: str, step: int) -> np.ndarray:
    """A person facing left: uint8 RGBA (h, w, 4), colour multiplied by alpha.

    gait: "stand", "walk" or "run"; step: 0..STEPS-1, the phase of the legs. The result is shared: do not write to it.
    """
    look, canvas = LOOKS[name], np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    swing = {"stand": 0.0, "walk": 26.0, "run": 44.0}[gait] * np.sin(2 * np.pi * step / STEPS)
    lean = -8 if gait == "run" else 0
    hip, shoulder, head = (75, 124), (75 + lean, 72), (75 + int(1.5 * lean), 36)
    far, near = (swing, -swing) if gait != "stand" else (7, -7)
    _limb(canvas, shoulder, -near * 0.9, 58, 13, tuple(int(c * 0.8) for c in look.top), SKIN)
    _limb(canvas, hip, far, 82, 19, tuple(int(c * 0.8) for c in look.legs), SHOE)
    _limb(canvas, hip, near, 82, 19, look.legs, SHOE)
    if look.dress:
        cv2.circle(canvas, (head[0] + 9, head[1] + 8), 33, (*look.hair, 255), -1, cv2.LINE_AA)
        _polygon(canvas, [(shoulder[0] + 9, shoulder[1] + 38), (head[0] + 40, head[1] + 8), (head[0], 60)], look.hair)
        _polygon(canvas, [(shoulder[0] - 17, 64), (shoulder[0] + 17, 64), (113, 164), (37, 164)], look.top)
    else:
        _polygon(canvas, [(shoulder[0] - 24, 64), (shoulder[0] + 24, 64), (95, 136), (55, 136)], look.top)
    cv2.circle(canvas, head, 29, (*SKIN, 255), -1, cv2.LINE_AA)
    # Hair on top and behind, an eye and a nose in front: the face looks left.
    cv2.ellipse(canvas, (head[0] + 4, head[1] - 4), (29, 28), 0, 185, 395, (*look.hair, 255), -1, cv2.LINE_AA)
    cv2.circle(canvas, (head[0] - 14, head[1] + 4), 4, (*SHOE, 255), -1, cv2.LINE_AA)
    cv2.circle(canvas, (head[0] - 29, head[1] + 8), 5, (*SKIN, 255), -1, cv2.LINE_AA)
    _limb(canvas, shoulder, near * 0.9 if gait != "stand" else -9, 58, 13, look.top, SKIN)
    rows, columns = np.flatnonzero(canvas[..., 3].any(axis=1)), np.flatnonzero(canvas[..., 3].any(axis=0))
    # The same height in every phase, or people would bob by the length of their steps.
    return canvas[rows[0] : 214, columns[0] : columns[-1] + 1].copy()


def _limb(canvas: np.ndarray, start: tuple[int, int], angle: float, length: int, width: int, colour, end) -> None:
    """A limb hanging from `start`, `angle` degrees forward of straight down, with a hand or a shoe at its end."""
    turn = np.radians(angle)
    tip = (int(start[0] - length * np.sin(turn)), int(start[1] + length * np.cos(turn)))
    cv2.line(canvas, start, tip, (*colour, 255), width, cv2.LINE_AA)
    if end == SHOE:
        cv2.ellipse(canvas, (tip[0] - 5, tip[1] + 3), (14, 8), 0, 0, 360, (*end, 255), -1, cv2.LINE_AA)
    else:
        cv2.circle(canvas, tip, width // 2 + 2, (*end, 255), -1, cv2.LINE_AA)


def _polygon(canvas: np.ndarray, points: list[tuple[int, int]], colour: Colour) -> None:
    cv2.fillPoly(canvas, [np.asarray(points, np.int32)], (*colour, 255), cv2.LINE_AA)
