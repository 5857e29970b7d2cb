"""What DetectFaces records about the faces of a clip, group of frames by group of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SIZE, unroll
from diffscaler.faceswap.follow import Follower, as_detections
from diffscaler.faceswap.head import fit_poses
from diffscaler.faceswap.region import FaceDetector, Picture, Seen
from diffscaler.media import FrameChunk, TensorChunk
from diffscaler.video.cuts import is_cut, thumbnail

Tensors = dict[str, npt.NDArray[Any]]
Frame = npt.NDArray[np.uint8]


def find_faces(
    detector: FaceDetector,
    chunks: Iterator[FrameChunk],
    every: int,
    weak: float,
    sure: float,
    tick: Callable[[int], None],
) -> Iterator[TensorChunk]:
    """The faces of a clip, as `detections.ClipFaces` describes them, in chunks of `every` frames.

    The whole frame is searched at frames divisible by `every`, at cuts, and where a face is lost; in between faces are
    followed. Frames before the first such frame of `chunks` only show where shots begin.
    weak, sure: scores from which a face is followed and counts; tick: told each frame's index before it is worked on
    """
    follower = Follower(detector, weak, sure)
    group: list[tuple[int, Picture, bool]] = []
    before: npt.NDArray[np.float32] | None = None
    first: list[Seen] = []

    def finished(after: list[Seen] | None, cut: bool) -> TensorChunk:
        indices, pictures, cuts = zip(*group, strict=True)
        found = follower.follow(pictures, [*cuts, cut], first, after)
        tensors = joined([recorded(p.frame, i, faces) for i, p, faces in zip(indices, pictures, found, strict=True)])
        return TensorChunk(tensors | {"cut": np.array(cuts, np.uint8)}, indices[0], len(indices))

    for index, frame in chain.from_iterable(enumerate(chunk.frames, chunk.start) for chunk in chunks):
        now = thumbnail(frame)
        cut, before = is_cut(before, now), now
        tick(index)
        if index % every and not group:
            continue
        picture = follower.picture(frame)
        if index % every == 0:
            found = follower.search(picture)
            if group:
                yield finished(found, cut)
            group, first = [], found
        group.append((index, picture, cut))
    if group:
        yield finished(None, True)


def recorded(frame: Frame, index: int, faces: list[Seen]) -> Tensors:
    """The faces of frame `index` (uint8 RGB (H, W, 3)) as tensors, M rows; see `detections.ClipFaces`."""
    found = as_detections(faces)
    looks = [unroll(frame, pose) for pose in fit_poses(found.landmarks)] if faces else []
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


def since(chunk: TensorChunk, start: int) -> TensorChunk:
    """The part of a chunk of faces from frame `start` on (itself when it starts there or later)."""
    skipped = start - chunk.start
    if skipped <= 0:
        return chunk
    late = chunk.tensors["frame"] >= start
    tensors = {name: value[skipped:] if name == "cut" else value[late] for name, value in chunk.tensors.items()}
    return TensorChunk(tensors, start, chunk.count - skipped)
