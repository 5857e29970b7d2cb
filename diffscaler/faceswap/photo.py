"""Faces in photos: the performer's face, and what the page offers to choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import NoFaceFound
from diffscaler.faceswap.align import align_face, bounds
from diffscaler.faceswap.detect import Detector
from diffscaler.faceswap.head import fit_pose
from diffscaler.faceswap.libs import cv2

Frame = npt.NDArray[np.uint8]
NEAR_MM, STEP_PX = 220.0, 64
MAX_SIDE_PX = 4096  # a face needs no more, and CenterFace sees 360 px anyway


@dataclass(frozen=True)
class PhotoFace:
    """One face in a photo.

    photo: uint8 RGB (H, W, 3), upright; landmarks: float32 (5, 2), its pixels; box: float32 (4,), x1 y1 x2 y2
    score: 0..1; others: how many more faces the photo shows
    """

    photo: Frame
    landmarks: npt.NDArray[np.float32]
    box: npt.NDArray[np.float32]
    score: float
    others: int

    def near(self) -> PhotoFace:
        """The same face with a copy of its neighbourhood alone: whatever is drawn from it lies there.

        Its corner keeps to every STEP_PX-th pixel, so that the halved copies of the photo hold the same pixels.
        """
        pose = fit_pose(self.landmarks)
        corners = np.array([pose.shift - NEAR_MM * pose.scale, pose.shift + NEAR_MM * pose.scale])
        area = bounds(corners, self.photo.shape)
        if area is None:
            return self
        x, y = (side // STEP_PX * STEP_PX for side in area[:2])
        right, below = (-(-side // STEP_PX) * STEP_PX for side in area[2:])
        corner = np.array([x, y], np.float32)
        part = self.photo[y:below, x:right].copy()
        return replace(self, photo=part, landmarks=self.landmarks - corner, box=self.box - np.tile(corner, 2))

    def crop(self, size: int = 224) -> Frame:
        """The face alone, upright: uint8 RGB (size, size, 3); size a multiple of 112."""
        return align_face(self.photo, self.landmarks, size)[0]


def faces_in_picture(path: Path, detector: Detector, name: str = "") -> list[PhotoFace]:
    """Every face in a photo, largest first. name: what its owner calls it. Raises MediaError when it is no picture."""
    photo = read_photo(path, name)
    found, turns = detector.detect_turned(photo)
    upright = np.ascontiguousarray(np.rot90(photo, turns))
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    order = np.argsort(-sides.prod(1), kind="stable")
    return [
        PhotoFace(upright, found.landmarks[i], found.boxes[i], float(found.scores[i]), len(found) - 1) for i in order
    ]


def main_face(path: Path, detector: Detector, name: str = "") -> PhotoFace:
    """The largest face in a photo. name: what its owner calls it.

    Raises NoFaceFound when there is none, MediaError when the file is no picture.
    """
    faces = faces_in_picture(path, detector, name)
    if not faces:
        raise NoFaceFound(
            f"No face was found in the photo {name or path.name}.",
            "Use a sharp photo in which the whole face is lit and looks at the camera.",
        )
    return faces[0]


def read_photo(path: Path, name: str = "") -> Frame:
    """The photo's pixels, upright, at most MAX_SIDE_PX a side: uint8 RGB (H, W, 3).

    name: what its owner calls it: imported files are named by their content. Raises MediaError.
    """
    from diffscaler.video.pictures import open_picture, picture_pixels

    called = Path(name or path.name)
    with open_picture(path, called) as picture:
        photo = picture_pixels(picture, called)
    shrink = MAX_SIDE_PX / max(photo.shape[:2])
    if shrink < 1:
        size = max(1, round(photo.shape[1] * shrink)), max(1, round(photo.shape[0] * shrink))
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(photo)


def facts_of(faces: list[PhotoFace]) -> dict[str, npt.NDArray[Any]]:
    """What `remarks.read_facts` reads, of a photo's faces, largest first."""
    if not faces:
        return {"numbers": np.zeros(5, np.float32), "face": np.zeros((112, 112, 3), np.uint8)}
    first = faces[0]
    pose = fit_pose(first.landmarks)
    eyes = float(np.linalg.norm(first.landmarks[1] - first.landmarks[0])) / max(0.3, np.cos(pose.yaw))
    pitch = np.arcsin(np.clip(-pose.rotation[2, 1], -1, 1))
    numbers = [len(faces), eyes, sharpness(first.crop(224)), np.degrees(pose.yaw), np.degrees(pitch)]
    return {"numbers": np.array(numbers, np.float32), "face": first.crop(112)}


def sharpness(crop: Frame) -> float:
    """Share of a face's contrast that is detail finer than about a fortieth of its width, 0..1.

    crop: uint8 RGB (224, 224, 3), aligned. A photo too small for the crop was enlarged, and lacks that detail too.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)[48:208, 48:176]
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 2.0)
    return float(np.abs(fine).mean() / max(1.0, np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 24.0)).mean()))
