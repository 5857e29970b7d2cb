"""How far a face moved between two frames, to a small fraction of a pixel: what a jitter is measured by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import Matrix, apply, inverse
from diffscaler.faceswap.libs import cv2

Frame = npt.NDArray[np.uint8]

#: Points followed in an aligned face of 112 pixels, from brows to mouth: x and y from, to, and how many.
ACROSS, DOWN = (30, 82, 12), (30, 98, 14)
WINDOW_PX = 19
BACK_PX = 0.5  # a point that does not come back to where it began was lost
FEWEST = 12


def moved(before: Frame, now: Frame, matrix_before: Matrix, matrix: Matrix) -> npt.NDArray[np.float64]:
    """The movement (2,) of a face, in frame pixels; NaN where too little of it can be followed.

    before, now: the face aligned in both frames, uint8 RGB (112, 112, 3); matrices: (2, 3), frame pixels -> crop
    pixels, as `align_face` returns them. Most of the movement is in the matrices; what the crops still differ by is
    measured by pyramidal Lucas-Kanade flow there and back (Bouguet 2001), the median of all points.
    """
    grid = np.stack(np.meshgrid(np.linspace(*ACROSS), np.linspace(*DOWN)), axis=2).reshape(-1, 1, 2).astype(np.float32)
    one, other = (cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in (before, now))
    there, found = _followed(one, other, grid)
    back, found_back = _followed(other, one, there)
    good = found & found_back & (np.linalg.norm(back - grid, axis=2).ravel() < BACK_PX)
    if good.sum() < FEWEST:
        return np.full(2, np.nan)
    still = grid.reshape(-1, 2).astype(np.float64).mean(0)
    rest = np.median((there - grid).reshape(-1, 2)[good], axis=0)
    return apply(inverse(matrix), still + rest) - apply(inverse(matrix_before), still)


def _followed(
    one: Frame, other: Frame, points: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 0.005)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        one, other, points, None, winSize=(WINDOW_PX, WINDOW_PX), maxLevel=2, criteria=stop
    )
    return there, found.ravel() > 0
