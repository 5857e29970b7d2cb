"""What DetectFaces records about the faces of a clip, group of frames by group of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from threading import Event, Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SIZE, unroll
from diffscaler.faceswap.at_once import in_order, runs_at_once
from diffscaler.faceswap.follow import Follower, as_detections
from diffscaler.faceswap.head import fit_poses
from diffscaler.faceswap.region import FaceDetector, Picture, Seen
from diffscaler.media import FrameChunk, TensorChunk
from diffscaler.video.cuts import is_cut, thumbnail

Tensors = dict[str, npt.NDArray[Any]]
Frame = npt.NDArray[np.uint8]
Made = TypeVar("Made")

GROUPS_BYTES = 2**29  # of the frames that are worked on at the same time


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
    followed. Groups are worked on at once, as many as the processor has threads for. Frames before the first such frame
    of `chunks` only show where shots begin.
    weak, sure: scores from which a face is followed and counts; tick: told each frame's index before it is worked on
    """
    follower, last, stopped = Follower(detector, weak, sure), [0], Event()

    def asked(index: int) -> None:
        last[0] = index
        try:
            tick(index)
        except BaseException:
            stopped.set()
            raise

    def found(group: Group) -> TensorChunk:
        seen = follower.follow(group.pictures, group.cuts, group.first(), group.after(), stopped.is_set)
        numbered = zip(count(group.start), group.pictures, seen, strict=False)
        tensors = joined([recorded(picture.frame, index, faces) for index, picture, faces in numbered])
        cuts = np.array(group.cuts[:-1], np.uint8)
        return TensorChunk(tensors | {"cut": cuts}, group.start, len(cuts))

    frames = chain.from_iterable(enumerate(chunk.frames, chunk.start) for chunk in chunks)
    gathered = groups(follower, frames, every, asked)
    for first in gathered:
        most = max(1, GROUPS_BYTES // (every * first.pictures[0].frame.nbytes))
        threads = min(runs_at_once(detector.session), most)
        yield from in_order(found, chain([first], gathered), threads, lambda: asked(last[0]))


@dataclass(frozen=True)
class Group:
    """Frames that begin with one that is searched whole. start: index of the first; cuts: see `Follower.follow`

    first, after: give the faces in the first frame, and in the one after the last (None at the end of the clip)
    """

    start: int
    pictures: list[Picture]
    cuts: list[bool]
    first: Callable[[], list[Seen]]
    after: Callable[[], list[Seen] | None]


def groups(
    follower: Follower, frames: Iterator[tuple[int, Frame]], every: int, tick: Callable[[int], None]
) -> Iterator[Group]:
    """A clip's frames, with their indices, group by group; nothing is searched yet."""
    pictures: list[Picture] = []
    cuts: list[bool] = []
    before: npt.NDArray[np.float32] | None = None
    start, first = 0, _nobody
    for index, frame in frames:
        now = thumbnail(frame)
        cut, before = is_cut(before, now), now
        tick(index)
        if index % every and not pictures:
            continue
        picture = follower.picture(frame)
        if index % every == 0:
            search = once(lambda picture=picture: follower.search(picture))
            if pictures:
                yield Group(start, pictures, [*cuts, cut], first, search)
            start, first, pictures, cuts = index, search, [], []
        pictures.append(picture)
        cuts.append(cut)
    if pictures:
        yield Group(start, pictures, [*cuts, True], first, lambda: None)


def _nobody() -> list[Seen]:
    return []


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """`make`, called by whichever thread first wants what it gives."""
    lock, made = Lock(), list[Made]()

    def get() -> Made:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


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
