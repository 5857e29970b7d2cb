"""Measures how a replaced face came out, beside the face that was there."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import Matrix, align_face, bounds
from diffscaler.faceswap.appearance import seen
from diffscaler.faceswap.builtin import project
from diffscaler.faceswap.casting import Casting
from diffscaler.faceswap.detect import Detector
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.head import Pose, fit_poses
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.masks import looks_of
from diffscaler.faceswap.motion import moved
from diffscaler.faceswap.review import COLUMNS

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

#: A face is looked for again in a square this many times its box, shrunk or enlarged to so many pixels.
AROUND, LOOK_PX = 2.2, 192
#: The middle of an aligned 112 pixel face: eyes to mouth, cheek to cheek.
CORE = (slice(36, 104), slice(28, 84))
#: Where a mask has its border.
RING = (0.05, 0.95)


class Reviewer:
    """Looks at one face after the other; frames of a track must come in order."""

    def __init__(
        self, casting: Casting, detector: Detector, recognizer: Any = None, unseen: Collection[tuple[int, int]] = ()
    ) -> None:
        """recognizer: an `inswapper.Recognizer`, when one is installed; unseen: `masks.StoredMasks.unseen`"""
        self.casting, self.detector, self.recognizer, self.unseen = casting, detector, recognizer, unseen
        self.poses = {track.id: fit_poses(track.landmarks) for track in casting.tracks}
        looks = looks_of(casting.tracks, casting.faces, casting.fps, casting.tick("Following faces"), hair=True)
        self.hidden = {track: 1 - allowed for track, allowed in looks.items()}
        self.before: dict[int, tuple[int, Matrix, Frame, Frame]] = {}
        self.wanted = self._identities()

    def ask(self, swapped: Frame, place: Place) -> tuple[Floats | None, float]:
        """What networks see in a swapped frame: a face's landmarks (5, 2), and how like the performer it is.

        Depends on the frame alone: several may be asked about at once.
        """
        landmarks = place.track.landmarks[place.index]
        now = self._found(swapped, place.track.boxes[place.index], landmarks)
        return now, self._likeness(swapped, landmarks, place.track.id)

    def look(
        self, frame: Frame, swapped: Frame, place: Place, kept: bool, asked: tuple[Floats | None, float]
    ) -> list[float]:
        """One row of review.COLUMNS. frame, swapped: uint8 RGB (H, W, 3), the face as it was and as it is now

        kept: whether the original face was to stay, so that there is nothing to doubt; asked: what `ask` gave
        """
        track, index = place.track, place.index
        pose, landmarks = self.poses[track.id][index], track.landmarks[index]
        eyes = max(1.0, float(np.linalg.norm(landmarks[1] - landmarks[0])) / max(0.3, float(np.cos(pose.yaw))))
        now, likeness = asked
        (old, matrix), (new, _) = (align_face(picture, landmarks, 112) for picture in (frame, swapped))
        error = float(np.linalg.norm(now - landmarks, axis=1).mean()) / eyes if now is not None else np.nan
        cover = self.hidden[track.id][index] * (seen(pose) > 0.5)
        row: dict[str, float] = {
            "frame": track.start + index,
            "track": track.id,
            "score": float(track.scores[index]),
            "yaw": float(np.degrees(pose.yaw)),
            "hidden": float(cover.sum() / max(1.0, (seen(pose) > 0.5).sum())),
            "eyes_px": eyes,
            "error": error,
            "changed": _apart(new, old),
            "seam": _seam(frame, swapped, pose),
            "weight": 0.0 if kept else float(track.weights[index]),
            "kept": float(kept),
            "unparsed": float((track.id, track.start + index) in self.unseen),
            "likeness": likeness,
        }
        row |= self._since_before(track.id, index, matrix, old, new)
        return [row[name] for name in COLUMNS]

    def _found(self, frame: Frame, box: Floats, landmarks: Floats) -> Floats | None:
        """The landmarks (5, 2) that the detector sees in this face alone, frame pixels."""
        centre, half = (box[:2] + box[2:]) / 2, float(max(box[2] - box[0], box[3] - box[1])) * AROUND / 2
        area = bounds(np.array([centre - half, centre + half]), frame.shape)
        if area is None:
            return None
        x, y, right, below = area
        part = frame[y:below, x:right]
        scale = LOOK_PX / max(part.shape[:2])
        small = cv2.resize(
            part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        faces = self.detector.detect(np.ascontiguousarray(small), 0.3, small_faces=False)
        if len(faces) == 0:
            return None
        factors = np.array(part.shape[1::-1]) / small.shape[1::-1]
        points = faces.landmarks * factors + (x, y)
        return points[int(np.argmin(np.linalg.norm(points.mean(1) - landmarks.mean(0), axis=1)))].astype(np.float32)

    def _since_before(self, track: int, index: int, matrix: Matrix, old: Frame, new: Frame) -> dict[str, float]:
        """How much the aligned face changed since the frame before, as it was and as it is now, and how far it moved.

        Movement is measured on the picture itself: where a detector puts a face varies by more than faces jitter.
        """
        row = dict.fromkeys(("flicker_was", "flicker", "was_dx", "was_dy", "now_dx", "now_dy"), float("nan"))
        last = self.before.get(track)
        self.before[track] = (index, matrix, old, new)
        if last is None or last[0] != index - 1:
            return row
        _, matrix_before, old_before, new_before = last
        row["flicker_was"], row["flicker"] = _apart(old, old_before), _apart(new, new_before)
        for name, before, now in (("was", old_before, old), ("now", new_before, new)):
            row[f"{name}_dx"], row[f"{name}_dy"] = moved(before, now, matrix_before, matrix).tolist()
        return row

    def _identities(self) -> dict[int, Floats]:
        if self.recognizer is None:
            return {}
        from diffscaler.faceswap.inswapper import mean_identity

        cast = [
            mean_identity([self.recognizer.embed(face.photo, face.landmarks) for face in photos])
            for photos in self.casting.photos()
        ]
        return {track: cast[role] for track, role in self.casting.plays.items()}

    def _likeness(self, swapped: Frame, landmarks: Floats, track: int) -> float:
        if self.recognizer is None:
            return float("nan")
        return float(self.recognizer.embed(swapped, landmarks) @ self.wanted[track])


def _apart(one: Frame, other: Frame) -> float:
    """Mean difference of two aligned faces (112, 112, 3), eyes to mouth, 8-bit levels."""
    return float(np.abs(one[CORE].astype(np.float32) - other[CORE]).mean())


def _seam(frame: Frame, swapped: Frame, pose: Pose) -> float:
    """How much rougher the picture has become along the border of the face: 1 is as rough as it was."""
    reach = 130 * pose.scale
    area = bounds(np.array([pose.shift - reach, pose.shift + reach]), frame.shape)
    if area is None:
        return 1.0
    x, y, right, below = area
    _, mask = project(pose, area)
    mask = cv2.resize(mask, (right - x, below - y), interpolation=cv2.INTER_LINEAR)
    ring = (mask > RING[0]) & (mask < RING[1])
    if ring.sum() < 20:
        return 1.0
    rough = []
    for picture in (frame, swapped):
        grey = cv2.cvtColor(picture[y:below, x:right], cv2.COLOR_RGB2GRAY).astype(np.float32)
        across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        rough.append(float(np.hypot(across, down)[ring].mean()))
    return rough[1] / max(1.0, rough[0])


def rows_of(rows: list[list[float]]) -> dict[str, npt.NDArray[Any]]:
    """Rows as tensors."""
    return {"rows": np.array(rows, np.float32).reshape(len(rows), len(COLUMNS))}
