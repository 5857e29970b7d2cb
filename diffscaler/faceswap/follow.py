"""Faces in a short group of frames: the first is searched whole, and what it shows is followed through the others.

A group's result depends on its own frames, the one before (for cuts) and the one after (to find, going backwards, when
a face that is new there appeared), so a clip may be cut into chunks anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from diffscaler.errors import JobCancelled
from diffscaler.faceswap.detect import NO_FACES, FaceDetections, roll_degrees
from diffscaler.faceswap.region import (
    SAME_FACE,
    FaceDetector,
    Picture,
    Seen,
    distinct,
    find_near,
    overlap,
    shrunk,
    turned_back,
)

TURNED_PX = 256  # short side of a frame searched for faces that lie on their side: they are seldom small
TURNED_SCORE = 0.6  # what they must score: three more looks are three more chances to be mistaken
UPRIGHT_DEGREES = 30.0  # a face that seems turned further may be one lying on its side, half seen
STILL = np.zeros(2, np.float32)


class Follower:
    """Finds the faces of groups of frames.

    weak: score from which a face is followed, sure: from which one counts, 0..1
    """

    def __init__(self, detector: FaceDetector, weak: float, sure: float) -> None:
        self.detector, self.weak, self.sure = detector, weak, sure

    def picture(self, frame: npt.NDArray[np.uint8]) -> Picture:
        """A frame, uint8 RGB (H, W, 3), ready to be looked at."""
        return Picture(frame, self.detector.scale_of(frame.shape))

    def search(self, picture: Picture) -> list[Seen]:
        """All faces of a frame, looking everywhere, and with the frame turned when nobody upright is found."""
        found = _seen(self.detector.detect(picture.frame, self.weak))
        if not any(face.score >= self.sure and _upright(face) for face in found):
            found += self._search_turned(picture)
        # Looked at once more, alone: landmarks then come from one kind of look in every frame, and do not jump.
        closer = self._near(picture, found, self.weak)
        return distinct([near or face for near, face in zip(closer, found, strict=True)])

    def follow(
        self,
        pictures: Sequence[Picture],
        cuts: Sequence[bool],
        first: list[Seen],
        after: list[Seen] | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[list[Seen]]:
        """The faces of every frame of a group, most certain first.

        pictures: of the group; cuts: one flag per picture, True where a shot begins, and one for the frame after
        first: what `search` found in pictures[0]; after: in the frame after the group, None at the end of the clip
        stopped: asked before every frame; raises JobCancelled when it says so
        """
        found, missed = [first], list[Seen]()
        for picture, cut in zip(pictures[1:], cuts[1 : len(pictures)], strict=True):
            if stopped():
                raise JobCancelled
            if cut:
                faces, missed = self.search(picture), []
            else:
                faces, missed = self._next(picture, found[-1], missed)
            found.append(faces)
        later = after or []
        for index in reversed(range(len(pictures))):
            if not cuts[index + 1]:
                found[index] = self._before(pictures[index], found[index], later)
            later = found[index]
        return found

    def _next(self, picture: Picture, before: list[Seen], missed: list[Seen]) -> tuple[list[Seen], list[Seen]]:
        """The faces of the frame before, in this one, and which are missed now.

        One just lost is searched for everywhere; those missed for longer are awaited where they were.
        """
        looks = self._near(picture, [*before, *missed], self.weak)
        here, faces = looks[: len(before)], distinct([face for face in looks if face])
        lost = [face for face, now in zip(before, here, strict=True) if now is None and face.score >= self.sure]
        if lost:
            faces += [face for face in self.search(picture) if not _among(face, faces)]
        missed = [face for face in (*missed, *lost) if not _among(face, faces)]
        resting = [Seen(face.box, face.score, face.landmarks, STILL) for face in missed]
        return sorted(faces, key=lambda face: -face.score), resting

    def _before(self, picture: Picture, here: list[Seen], later: list[Seen]) -> list[Seen]:
        """What is known of a frame, and those new in the frame after it that were there already."""
        new = [face for face in later if not _among(face, here)]
        backwards = [Seen(face.box, face.score, face.landmarks, -face.step) for face in new]
        looks = self._near(picture, backwards, self.weak)
        found = distinct([face for face in looks if face and not _among(face, here)])
        added = [Seen(face.box, face.score, face.landmarks, -face.step) for face in found]
        return sorted(here + added, key=lambda face: -face.score)

    def _search_turned(self, picture: Picture) -> list[Seen]:
        height, width = picture.frame.shape[:2]
        scale = min(1.0, TURNED_PX / min(height, width))
        small, found = shrunk(picture.frame, scale), list[Seen]()
        for turns in (1, 3, 2):
            turned = np.ascontiguousarray(np.rot90(small, turns))
            looked = turned_back(self.detector.detect(turned, TURNED_SCORE, small_faces=False), small.shape, turns)
            back = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
            faces = _seen(FaceDetections(looked.boxes * np.tile(back, 2), looked.scores, looked.landmarks * back))
            # Those upright in the turned frame only: one lying there too is better seen with another turn.
            found += [face for face in faces if face.turns == turns]
        sure = max(self.sure, TURNED_SCORE)
        return [face for face in self._near(picture, found, sure) if face]

    def _near(self, picture: Picture, faces: Sequence[Seen], threshold: float) -> list[Seen | None]:
        return [find_near(self.detector, picture, face, threshold) for face in faces]


def as_detections(faces: list[Seen]) -> FaceDetections:
    """Faces of one frame, in their order, as arrays."""
    if not faces:
        return NO_FACES
    return FaceDetections(
        np.stack([face.box for face in faces]).astype(np.float32),
        np.array([face.score for face in faces], np.float32),
        np.stack([face.landmarks for face in faces]).astype(np.float32),
    )


def _seen(found: FaceDetections) -> list[Seen]:
    parts = zip(found.boxes, found.scores, found.landmarks, strict=True)
    return [Seen(box, float(score), points, STILL) for box, score, points in parts]


def _among(face: Seen, others: list[Seen]) -> bool:
    return any(overlap(face, other) > SAME_FACE for other in others)


def _upright(face: Seen) -> bool:
    return abs(roll_degrees(face.landmarks)) < UPRIGHT_DEGREES
