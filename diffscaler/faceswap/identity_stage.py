"""The stage that reads, track by track, whose face it is, so that people can be told apart over cuts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from diffscaler.media import ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.plan import Node
from diffscaler.stage import ModelRef, Params, StageContext

MOST_FRAMES = 8  # of a track, its clearest: more bring nothing new, and each takes as long as a face swap

#: What the page and the file say about how people were told apart: by a recogniser, or without one.
BY_VECTORS = "by ArcFace, for non-commercial research only (insightface)"
BY_LOOKS = "by how they look"


class IdentifyPeopleParams(Params):
    """There is nothing to choose."""


class IdentifyPeople:
    """Frames and their detections -> an identity for each of the clearest frames of every track.

    Tensors, M rows: track, frame: int32 (M,); vector: float32 (M, 512), length 1; weight: float32 (M,), the detection's
    score. models: the recogniser
    """

    name: ClassVar[str] = "identify_people"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = IdentifyPeopleParams

    def __init__(self, params: IdentifyPeopleParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].data()

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises ModelNotFound when the recogniser's file is missing or is none."""
        from diffscaler.faceswap.at_once import at_once, runs_at_once
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.identity import clearest

        clip, total = inputs[0], inputs[0].meta.num_frames
        ctx.step(ctx.start, total, "frame")
        tracks = gather(inputs[1]).tracks(float(clip.meta.fps))
        wanted = {track.id: set(clearest(track, MOST_FRAMES)) for track in tracks}
        ctx.note(f"People told apart {BY_VECTORS}.")
        with ctx.acquire(self.models[0]) as recognizer:
            chunk: FrameChunk
            for chunk in clip:
                if chunk.stop <= ctx.start:
                    continue
                part = chunk.since(ctx.start)
                ctx.step(part.start, total, "frame")
                seen = [
                    (track, index)
                    for index in range(part.start, part.stop)
                    for track in tracks
                    if index in wanted[track.id]
                ]
                vectors = at_once(
                    lambda face, part=part: recognizer.embed(
                        part.frames[face[1] - part.start], face[0].landmarks[face[1] - face[0].start]
                    ),
                    seen,
                    runs_at_once(recognizer.session),
                    lambda face: ctx.step(face[1], total, "frame"),
                )
                rows = [
                    (track.id, index, float(track.scores[index - track.start]), vector)
                    for (track, index), vector in zip(seen, vectors, strict=True)
                ]
                yield TensorChunk(_tensors(rows), part.start, len(part.frames))


def _tensors(rows: list[tuple[int, int, float, npt.NDArray[np.float32]]]) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "track": np.array([row[0] for row in rows], np.int32),
        "frame": np.array([row[1] for row in rows], np.int32),
        "weight": np.array([row[2] for row in rows], np.float32),
        "vector": np.stack([row[3] for row in rows]) if rows else np.zeros((0, 512), np.float32),
    }


def vectors_of(chunks: Iterable[TensorChunk]) -> dict[int, npt.NDArray[np.float32]]:
    """By track, the mean identity of what IdentifyPeople read: float32 (512,), length 1."""
    from diffscaler.faceswap.identity import mean_vector

    read: dict[int, list[tuple[npt.NDArray[np.float32], float]]] = {}
    for chunk in chunks:
        tensors = chunk.tensors
        for track, vector, weight in zip(tensors["track"].tolist(), tensors["vector"], tensors["weight"], strict=True):
            read.setdefault(track, []).append((vector, float(weight)))
    return {track: mean_vector(*zip(*rows, strict=True)) for track, rows in read.items()}


def told_apart(root: Node) -> str:
    """How the people in the answer to FindPeopleRequest were told apart. root: a node of ListPeople"""
    return BY_VECTORS if len(root.inputs) > 1 else BY_LOOKS
