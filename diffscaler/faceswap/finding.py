"""What DetectFaces records about the faces of one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SIZE, unroll
from diffscaler.faceswap.detect import Detector
from diffscaler.faceswap.head import fit_poses

Tensors = dict[str, npt.NDArray[Any]]


def faces_of(detector: Detector, frame: npt.NDArray[np.uint8], index: int, threshold: float) -> Tensors:
    """The faces of frame `index` (uint8 RGB (H, W, 3)) as tensors, M rows; see `detections.ClipFaces`."""
    found = detector.detect(frame, threshold)
    looks = [unroll(frame, pose) for pose in fit_poses(found.landmarks)] if len(found) else []
    return {
        "frame": np.full(len(found), index, np.int32),
        "box": found.boxes,
        "score": found.scores,
        "landmarks": found.landmarks,
        "look": np.stack(looks) if looks else np.zeros((0, SIZE, SIZE, 3), np.uint8),
    }


def joined(parts: list[Tensors]) -> Tensors:
    """The tensors of several frames as one set."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
