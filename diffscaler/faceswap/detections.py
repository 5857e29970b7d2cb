"""The faces found in a whole clip, as DetectFaces stores them, and the people they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.people import Person
from diffscaler.faceswap.track import Track, find_tracks
from diffscaler.media import ClipMeta, TensorChunk


@dataclass(frozen=True)
class ClipFaces:
    """Every face found in a clip, frame by frame.

    frame: int32 (M,), ascending; box: float32 (M, 4); score: float32 (M,); landmarks: float32 (M, 5, 2), pixels
    look: uint8 RGB (M, 32, 32, 3), each face unrolled (`appearance.unroll`); cut: uint8 (N,), 1 where a shot begins
    sure: score from which a face counts; size: width and height of the frames, pixels, if known
    """

    frame: npt.NDArray[np.int32]
    box: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    look: npt.NDArray[np.uint8]
    cut: npt.NDArray[np.uint8]
    sure: float
    size: tuple[int, int] | None = None

    def tracks(self, fps: float) -> list[Track]:
        """The people in the clip. fps: frames per second."""
        return find_tracks(self.frame, self.box, self.score, self.landmarks, self.cut, fps, self.sure, self.size)


def gather(chunks: Iterable[TensorChunk]) -> ClipFaces:
    """All chunks of a DetectFaces clip as one."""
    parts = list(chunks)

    def whole(name: str, empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate([empty, *(part.tensors[name] for part in parts)])

    sizes = [part.tensors["size"].tolist() for part in parts if "size" in part.tensors]
    return ClipFaces(
        frame=whole("frame", np.zeros(0, np.int32)),
        box=whole("box", np.zeros((0, 4), np.float32)),
        score=whole("score", np.zeros(0, np.float32)),
        landmarks=whole("landmarks", np.zeros((0, 5, 2), np.float32)),
        look=whole("look", np.zeros((0, 32, 32, 3), np.uint8)),
        cut=whole("cut", np.zeros(0, np.uint8)),
        sure=float(parts[0].tensors["sure"][0]) if parts else 0.5,
        size=(sizes[0][0], sizes[0][1]) if sizes else None,
    )


def people(
    chunks: Iterable[TensorChunk], meta: ClipMeta, vectors: Mapping[int, npt.NDArray[np.float32]] | None = None
) -> list[Person]:
    """Everyone in a clip, most present first. chunks: of its DetectFaces clip; meta: of either clip (fps is used).

    vectors: by track, see `identity.people_of`
    """
    from diffscaler.faceswap.identity import people_of

    faces = gather(chunks)
    tracks = faces.tracks(float(meta.fps))
    groups = people_of(tracks, faces, vectors)
    person = {track: number for number, group in enumerate(groups) for track in group}
    return [
        Person(
            track=track.id,
            person=person[track.id],
            start=track.start,
            stop=track.stop,
            best_frame=track.best,
            best_box=_corners(track.boxes[track.best - track.start]),
            confidence=track.score,
        )
        for track in sorted(tracks, key=lambda track: -track.size)
    ]


def _corners(box: npt.NDArray[np.float32]) -> tuple[float, float, float, float]:
    x, y, right, below = box.tolist()
    return x, y, right, below
