"""Still parts of a drawn clip held still.

A small network draws what does not move a little differently in every frame. Each pixel becomes the mean of what its
place shows in neighbouring frames, weighted by how alike the surroundings are: a bilateral filter in time (Tomasi &
Manduchi 1998), by patches as in Buades et al. 2005, "A non-local algorithm for image denoising". What moves differs by
more than the filter's scale, and stays.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

#: Neighbours on either side that a frame is compared with.
REACH = 8

#: Side of the square of pixels whose mean difference counts: one pixel alone is half noise.
PATCH = 5


def steadied(frames: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    """Frames, uint8 RGB (F, H, W, 3), each weighed with the REACH before and after it.

    scale: mean difference of a patch, in 8-bit levels, at which a neighbour counts 1 / e; 0 returns the frames
    """
    if scale <= 0:
        return frames
    given = frames.astype(np.float32)
    sums, weights = given.copy(), np.ones((*given.shape[:3], 1), np.float32)
    for apart in range(1, min(REACH, len(given) - 1) + 1):
        for t in range(len(given) - apart):
            change = cv2.blur(np.abs(given[t] - given[t + apart]).mean(axis=2), (PATCH, PATCH))
            weight = np.exp(-np.square(change / scale))[..., None]
            # Alike is alike both ways: one comparison serves two frames.
            sums[t] += weight * given[t + apart]
            sums[t + apart] += weight * given[t]
            weights[t] += weight
            weights[t + apart] += weight
    return (sums / weights + 0.5).astype(np.uint8)
