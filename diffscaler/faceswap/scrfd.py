"""SCRFD: insightface's face detector, when its file is in the models folder.

Guo et al. 2021, "Sample and Computation Redistribution for Efficient Face Detection". At strides of 8, 16 and 32 pixels
the network says for two anchors a cell: a score, distances to the box's four sides, and five landmarks. Loading and
decoding are ours: insightface's pads every picture, and so every small region, to 640 x 640. The weights are licensed
for non-commercial research only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.detect import NO_FACES, FaceDetections, detect_turned, overlaps
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.sessions import ALONE, open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

STRIDES, ANCHORS = (8, 16, 32), 2
LONG_SIDE_PX = 640
OVERLAP = 0.4


class Detector:
    """A loaded SCRFD network; the same methods as `detect.Detector`."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.input = session.get_inputs()[0]
        sides = self.input.shape[2:4]
        self.fixed = (sides[1], sides[0]) if all(isinstance(side, int) and side > 0 for side in sides) else None

    def detect(self, frame: Frame, threshold: float = 0.5, small_faces: bool = True) -> FaceDetections:
        """Faces in one frame, uint8 RGB (H, W, 3), with at least this score, best first.

        small_faces: makes no difference, the network sees them at its usual size
        """
        height, width = frame.shape[:2]
        scale = self.scale_of(frame.shape)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = frame if size == (width, height) else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        canvas = self.fixed or tuple(-(-side // STRIDES[-1]) * STRIDES[-1] for side in size)
        padded = np.zeros((canvas[1], canvas[0], 3), np.float32)
        padded[: size[1], : size[0]] = small
        blob = np.ascontiguousarray(((padded - 127.5) / 128).transpose(2, 0, 1)[None])
        outputs = [np.asarray(value) for value in self.session.run(None, {self.input.name: blob})]
        found = decode([value[0] if value.ndim == 3 else value for value in outputs], canvas, threshold)
        back = np.array([width / size[0], height / size[1]], np.float32)
        return FaceDetections(found.boxes * np.tile(back, 2), found.scores, found.landmarks * back)

    def scale_of(self, shape: tuple[int, ...]) -> float:
        """How much a frame of this shape (H, W, 3) is shrunk: 0..1; above 1 where the file has a fixed larger size."""
        if self.fixed:
            return min(self.fixed[0] / shape[1], self.fixed[1] / shape[0])
        return min(1.0, LONG_SIDE_PX / max(shape[:2]))

    def detect_turned(self, picture: Frame, threshold: float = 0.5) -> tuple[FaceDetections, int]:
        """See `detect.detect_turned`."""
        return detect_turned(self, picture, threshold)


def load_detector(spec: Any, device: Any = "cpu", threads: int = ALONE) -> Detector:
    """Open an SCRFD file with landmarks (det_10g.onnx, det_2.5g.onnx, det_500m.onnx).

    Raises ModelNotFound when it is missing or is another kind of model.
    """
    path = Path(spec.path)
    session = open_session(path, device, threads)
    if len(session.get_outputs()) != 3 * len(STRIDES):
        raise ModelNotFound(
            f"{path.name} is not an SCRFD face detector with landmarks.", "Use det_10g.onnx of insightface's buffalo_l."
        )
    return Detector(session)


def decode(outputs: list[Floats], size: tuple[int, ...], threshold: float) -> FaceDetections:
    """The network's nine outputs to faces, in pixels of its input.

    outputs: scores (N, 1) at each stride, then distances to the box's sides (N, 4), then landmarks (N, 10), in strides;
    N = cells * ANCHORS, row by row; size: width and height of the input
    """
    boxes: list[Floats] = []
    scores: list[Floats] = []
    landmarks: list[Floats] = []
    for level, stride in enumerate(STRIDES):
        score = outputs[level].ravel()
        sure = np.flatnonzero(score >= threshold)
        cells = sure // ANCHORS
        columns = size[0] // stride
        centres = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32) * stride
        sides = outputs[level + 3][sure] * stride
        boxes.append(np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1))
        scores.append(score[sure])
        landmarks.append(centres[:, None] + outputs[level + 6][sure].reshape(-1, 5, 2) * stride)
    faces = FaceDetections(*(np.concatenate(part).astype(np.float32) for part in (boxes, scores, landmarks)))
    return _without_repeats(faces)


def _without_repeats(faces: FaceDetections) -> FaceDetections:
    """Non-maximum suppression, best score first. Boxes include their last pixel, as where the network was trained."""
    if len(faces) == 0:
        return NO_FACES
    order = np.argsort(-faces.scores, kind="stable")
    boxes = faces.boxes[order] + np.array([0, 0, 1, 1], np.float32)
    kept: list[int] = []
    free = np.ones(len(order), bool)
    for index in range(len(order)):
        if free[index]:
            kept.append(int(order[index]))
            free &= overlaps(boxes[index : index + 1], boxes)[0] <= OVERLAP
    return FaceDetections(faces.boxes[kept], faces.scores[kept], faces.landmarks[kept])
