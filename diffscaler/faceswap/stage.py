"""The two stages of face swapping: find the faces of a clip, and put another face on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar

import numpy as np
from pydantic import Field

from diffscaler.faceswap.casting import Casting, CastParams
from diffscaler.media import ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

WEAK = 0.6  # times the threshold: faces this certain still continue somebody already followed


class DetectFacesParams(Params):
    """threshold: score from which a face counts, 0..1."""

    threshold: float = Field(0.5, ge=0.1, le=0.95)


class DetectFaces:
    """Frames -> per chunk the faces in them: see `detections.ClipFaces` for the tensors."""

    name: ClassVar[str] = "detect_faces"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 1  # a cut is seen against the frame before
    joins: ClassVar[bool] = False
    Params = DetectFacesParams

    def __init__(self, params: DetectFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        clip = inputs[0]
        return ClipMeta(
            kind="tensors", num_frames=clip.num_frames, fps=clip.fps, vfr=clip.vfr, duration_s=clip.duration_s
        )

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises ModelNotFound when the detector's file is missing."""
        from diffscaler.faceswap.cuts import is_cut, thumbnail
        from diffscaler.faceswap.finding import faces_of, joined

        total, before = inputs[0].meta.num_frames, None
        with ctx.acquire(self.models[0]) as detector:
            for chunk in inputs[0]:
                found, cuts = [], []
                for offset, frame in enumerate(chunk.frames):
                    index = chunk.start + offset
                    now = thumbnail(frame)
                    if index >= ctx.start:
                        ctx.step(index, total, "frame")
                        found.append(faces_of(detector, frame, index, self.params.threshold * WEAK))
                        cuts.append(is_cut(before, now))
                    before = now
                if found:
                    tensors = joined(found) | {
                        "cut": np.array(cuts, np.uint8),
                        "sure": np.array([self.params.threshold], np.float32),
                    }
                    yield TensorChunk(tensors, max(chunk.start, ctx.start), len(cuts))


class SwapFace:
    """Frames and their detections -> the same frames with the performer's face. Frames without one pass bit-equal.

    A frame's result depends on the frame and the detections alone, so chunks and resume leave no trace.
    models: the detector (for the photos); for inswapper then the swapper and the recogniser
    """

    name: ClassVar[str] = "swap_face"
    version: ClassVar[int] = 2
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = CastParams

    def __init__(self, params: CastParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[FrameChunk]:
        """Raises NoFaceFound when a photo shows no face, ModelNotFound when a model's file is missing."""
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.ranges import missing_note

        clip, fps = inputs[0], float(inputs[0].meta.fps)
        total = clip.meta.num_frames
        ctx.step(ctx.start, total, "frame")
        faces = gather(inputs[1])
        covered = np.zeros(len(faces.cut), bool)
        with ExitStack() as leases:
            casting = Casting(self.params, self.models, faces, fps, ctx, leases)
            for track in casting.tracks:
                covered[track.start : track.stop] = True
            if note := missing_note(covered, fps):
                ctx.note(note)
            swapper = casting.swapper(self.params.engine)
            for chunk in clip:
                if chunk.stop <= ctx.start:
                    continue
                part = chunk.since(ctx.start)
                ctx.step(part.start, total, "frame")
                frames, places = part.frames, places_in(casting.tracks, part.start, part.stop)
                if places:
                    frames = swapper.swap(
                        frames, places, lambda done, at=part.start: ctx.step(at + done, total, "frame")
                    )
                    ctx.preview(frames)
                yield FrameChunk(frames, part.start, part.times)
