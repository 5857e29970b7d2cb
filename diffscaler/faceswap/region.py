"""Looking for a face where it should be, instead of searching the whole frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.detect import NO_FACES, FaceDetections, overlaps, roll_degrees
from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

GRID_PX = 32  # networks see a face alike only where their coarsest cells fall alike
MARGIN = 0.6  # of the longer side, around the box: room to move, and surroundings that the network judges by
FACE_PX = (56.0, 120.0)  # longer side the network sees: smaller is imprecise, larger only slow
SAME_FACE = 0.25  # boxes that overlap more than this show one face
NEAR = 0.6  # a face further than this from its place, in its own sizes, is somebody else


class FaceDetector(Protocol):
    """A network that finds faces: CenterFace (`detect.Detector`) or SCRFD (`scrfd.Detector`).

    session: the onnxruntime session it runs
    """

    session: Any

    def detect(self, frame: Frame, threshold: float = 0.5, small_faces: bool = True) -> FaceDetections:
        """Faces in a frame, uint8 RGB (H, W, 3), with at least this score; small_faces: look closer for small ones."""
        ...

    def scale_of(self, shape: tuple[int, ...]) -> float:
        """How much `detect` shrinks a frame of this shape (H, W, 3): 0..1; 1 for all it needs not shrink."""
        ...


class Picture:
    """A frame, and the same frame as small as a detector sees it (made once, when first asked for).

    frame: uint8 RGB (H, W, 3); scale: of the small one, 0..1
    """

    def __init__(self, frame: Frame, scale: float) -> None:
        self.frame, self.scale = frame, scale

    @cached_property
    def small(self) -> Frame:
        return shrunk(self.frame, self.scale)


@dataclass(frozen=True)
class Seen:
    """One face in one frame. box: float32 (4,), x1 y1 x2 y2; landmarks: float32 (5, 2); both in frame pixels

    step: float32 (2,), pixels it moved since the frame looked at before; score: 0..1
    """

    box: Floats
    score: float
    landmarks: Floats
    step: Floats

    @property
    def turns(self) -> int:
        """Quarter turns (as np.rot90) that bring this face nearest to upright: 0..3."""
        return round(roll_degrees(self.landmarks) / 90) % 4

    @property
    def size(self) -> float:
        """Longer side of the box, pixels."""
        return float(max((self.box[2:] - self.box[:2]).max(), 1))

    @property
    def centre(self) -> Floats:
        return (self.box[:2] + self.box[2:]) / 2


def find_near(detector: FaceDetector, picture: Picture, face: Seen, threshold: float) -> Seen | None:
    """`face`, seen in another frame, where it is in this one; None when nothing there scores `threshold`."""
    moved = np.concatenate([face.box[:2] + face.step, face.box[2:] + face.step])
    found = look_near(detector, picture, moved, face.turns, threshold)
    if len(found) == 0:
        return None
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    sizes = (found.boxes[:, 2:] - found.boxes[:, :2]).max(1)
    apart = np.linalg.norm(centres - (moved[:2] + moved[2:]) / 2, axis=1) / face.size
    apart += np.abs(np.log(np.maximum(sizes, 1) / face.size))
    best = int(np.argmin(apart))
    if apart[best] > NEAR:
        return None
    step = (centres[best] - face.centre).astype(np.float32)
    return Seen(found.boxes[best], float(found.scores[best]), found.landmarks[best], step)


def look_near(detector: FaceDetector, picture: Picture, box: Floats, turns: int, threshold: float) -> FaceDetections:
    """Faces in and around a box, in frame pixels. turns: quarter turns (as np.rot90) that make them upright.

    Where the network would see the face between 56 and 120 px large in the whole frame, it sees the very same pixels
    here, on the same grid, so both ways find the same landmarks.
    """
    face = max(1.0, float((box[2:] - box[:2]).max()))
    low, high = (side / face for side in FACE_PX)
    scale = min(1.0, float(np.clip(picture.scale, low, high)))
    same = scale == picture.scale
    source = np.rot90(picture.small if same else picture.frame, turns)
    factors = np.array(source.shape[1::-1]) / np.rot90(picture.frame, turns).shape[1::-1]
    place = _turned(box.reshape(2, 2), picture.frame.shape, turns)
    low_corner, high_corner = place.min(0) - MARGIN * face, place.max(0) + MARGIN * face
    grid = GRID_PX if same else 1
    x, y = np.maximum(np.floor(low_corner * factors / grid), 0).astype(int) * grid
    right, below = np.minimum(np.ceil(high_corner * factors / grid).astype(int) * grid, source.shape[1::-1])
    if right <= x or below <= y:
        return NO_FACES
    part = np.ascontiguousarray(source[y:below, x:right])
    if not same:
        part = shrunk(part, scale)
        factors = np.array(part.shape[1::-1]) / (right - x, below - y)
        x, y = x * factors[0], y * factors[1]
    corner = np.array([x, y])
    found = detector.detect(part, threshold, small_faces=False)
    boxes = (found.boxes.reshape(-1, 2, 2) + corner) / factors
    points = (found.landmarks + corner) / factors
    return turned_back(FaceDetections(boxes.reshape(-1, 4), found.scores, points), picture.frame.shape, turns)


def turned_back(found: FaceDetections, shape: tuple[int, ...], turns: int) -> FaceDetections:
    """Faces found in np.rot90(frame, turns), in the pixels of the frame itself; shape: the frame's (H, W, 3)."""
    sides = shape if turns % 2 == 0 else (shape[1], shape[0])
    corners = _turned(found.boxes.reshape(-1, 2), sides, -turns).reshape(-1, 2, 2)
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
    points = _turned(found.landmarks.reshape(-1, 2), sides, -turns).reshape(-1, 5, 2)
    return FaceDetections(boxes.astype(np.float32), found.scores, points.astype(np.float32))


def distinct(faces: list[Seen]) -> list[Seen]:
    """Every face once, the most certain first: of boxes that overlap, the one with the better score stays."""
    kept: list[Seen] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(overlap(face, other) > SAME_FACE for other in kept):
            kept.append(face)
    return kept


def overlap(one: Seen, other: Seen) -> float:
    """Intersection over union of two faces' boxes, 0..1."""
    return float(overlaps(one.box[None], other.box[None])[0, 0])


def shrunk(frame: Frame, scale: float) -> Frame:
    """The frame `scale` times as large, at least one pixel; itself at 1."""
    if scale == 1:
        return frame
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _turned(points: npt.NDArray[np.floating], shape: tuple[int, ...], turns: int) -> npt.NDArray[np.floating]:
    """Where points (N, 2) of a picture (H, W, ...) come to lie in np.rot90(picture, turns)."""
    height, width = shape[:2]
    x, y = points[:, 0], points[:, 1]
    return np.stack([(x, y), (y, width - x), (width - x, height - y), (height - y, x)][turns % 4], axis=1)
