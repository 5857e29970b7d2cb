"""Where a new shot begins.

Two neighbouring frames decide, so a clip may be read in any pieces. PySceneDetect's AdaptiveDetector, which needs the
frames after as well, finds the same cuts in the clips of the tests at five to twelve times the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = (32, 18)
JUMP = 22.0  # mean difference of thumbnails, 0..255, that only a new picture reaches ...
UNLIKE = 0.75  # ... together with colour histograms that overlap less than this


def thumbnail(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """A frame, uint8 RGB (H, W, 3), as a small float32 (18, 32, 3)."""
    import cv2

    small: Any = cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def is_cut(before: npt.NDArray[np.float32] | None, now: npt.NDArray[np.float32]) -> bool:
    """Whether two neighbouring frames' thumbnails belong to different shots. Quick movement alone does not count."""
    if before is None:
        return False
    if np.abs(before - now).mean() < JUMP:
        return False
    counts = [
        np.histogramdd(picture.reshape(-1, 3), bins=(4, 4, 4), range=[(0, 256)] * 3)[0].ravel()
        for picture in (before, now)
    ]
    return bool(np.minimum(*counts).sum() / counts[0].sum() < UNLIKE)
