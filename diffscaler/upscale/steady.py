"""What a frame-wise upscaler draws a little differently in each frame, drawn alike.

Each frame is weighed with its two neighbours, fetched along the optical flow: a bilateral filter along the motion
(Tomasi & Manduchi 1998; along trajectories as in Ozkan et al. 1993, "Adaptive motion-compensated filtering of noisy
image sequences"). A neighbour counts by how alike its surroundings are, so that what the flow got wrong, what comes
into sight and what truly changes stays as it was.
"""

from __future__ import annotations

from typing import Any

import cv2 as _cv2
import numpy as np
import numpy.typing as npt

from diffscaler.upscale.dis import Field, Picture, dis_flow, fetched
from diffscaler.upscale.flow import reduced

cv2: Any = _cv2  # its stubs know no dtypes

#: Side of the square of pixels whose mean difference counts: one pixel alone is half noise.
PATCH = 5


def neighbour(frame: Picture, other: Picture, scale: float) -> tuple[Field, Field]:
    """What another frame shows at the places of this one, and what it counts there.

    frame, other: uint8 RGB (H, W, 3); scale: mean difference of a patch, in 8-bit levels, at which it counts 1 / e
    Returns float32 (H, W, 3) in levels, and float32 (H, W, 1) from 0 to 1.
    """
    height, width = frame.shape[:2]
    greys = [cv2.cvtColor(reduced(picture), cv2.COLOR_RGB2GRAY) for picture in (frame, other)]
    flow = dis_flow(*greys)
    tall, wide = flow.shape[:2]
    if (tall, wide) != (height, width):
        flow = cv2.resize(flow, (width, height)) * np.array([width / wide, height / tall], np.float32)
    # Cubic: linear would blur what lies between pixels.
    there = fetched(other, flow, cv2.INTER_CUBIC).astype(np.float32)
    change = cv2.blur(np.abs(there - frame).mean(axis=2), (PATCH, PATCH))
    return there, np.exp(-np.square(change / scale))[..., None]


def weighed(frame: Picture, others: list[Picture], scale: float) -> npt.NDArray[np.uint8]:
    """A frame, uint8 RGB (H, W, 3), weighed with its neighbours in time; itself where there are none.

    Frames that are equal stay as they are, bit by bit.
    """
    sums, weights = frame.astype(np.float32), np.ones((*frame.shape[:2], 1), np.float32)
    for other in others:
        if np.array_equal(frame, other):
            continue
        there, weight = neighbour(frame, other, scale)
        sums += weight * there
        weights += weight
    return np.rint(np.clip(sums / weights, 0, 255)).astype(np.uint8)
