"""A square picture to draw on with smooth edges, and the grounds it can have."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
Points = npt.NDArray[np.float64]

#: Drawn this many times larger and averaged down.
FINE = 4

GROUNDS = ("plain", "striped", "chequered", "shaded")


def ground(kind: str, first: Colour, second: Colour, size: int) -> npt.NDArray[np.uint8]:
    """A background at FINE times `size`: uint8 RGB (H, W, 3). It is drawn once a clip, so it stands still."""
    side = size * FINE
    y, x = np.mgrid[:side, :side]
    step = side / 8
    share = {
        "plain": np.zeros((side, side)),
        "striped": (x // step % 2).astype(float),
        "chequered": ((x // step + y // step) % 2).astype(float),
        "shaded": y / side,
    }[kind][..., None]
    return np.asarray(np.rint(np.array(first) * (1 - share) + np.array(second) * share), np.uint8)


def fill(canvas: npt.NDArray[np.uint8], corners: Points, colour: Colour) -> None:
    """A filled shape. corners: float (N, 2), x and y as shares of the side"""
    at = np.rint(corners * canvas.shape[0] * 16).astype(np.int32)
    cv2.fillPoly(canvas, [at], colour, cv2.LINE_AA, 4)


def stroke(canvas: npt.NDArray[np.uint8], ends: Points, width: float, colour: Colour) -> None:
    """A round-ended line. ends: float (2, 2), x and y as shares of the side; width: likewise"""
    side = canvas.shape[0]
    (x0, y0), (x1, y1) = np.rint(ends * side).astype(int).tolist()
    cv2.line(canvas, (x0, y0), (x1, y1), colour, max(1, round(width * side)), cv2.LINE_AA)


def reduced(canvas: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture at its own size: uint8 RGB (H / FINE, W / FINE, 3)."""
    side = canvas.shape[0] // FINE
    return np.asarray(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
