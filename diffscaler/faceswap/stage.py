"""The two stages of face swapping: find the faces of a clip, and put another face on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from diffscaler.faceswap.casting import Casting, CastParams
from diffscaler.faceswap.mask_params import MaskName
from diffscaler.media import ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

if TYPE_CHECKING:
    from diffscaler.faceswap.masks import StoredMasks

SEARCH_EVERY = 8  # frames; in between faces are followed, which is several times faster than searching
WEAK = 0.6  # times the threshold: faces this certain still continue somebody already followed


class DetectFacesParams(Params):
    """threshold: score from which a face counts, 0..1."""

    threshold: float = Field(0.5, ge=0.1, le=0.95)


class DetectFaces:
    """Frames -> group by group the faces in them: see `detections.ClipFaces` for the tensors.

    Groups of SEARCH_EVERY frames begin at frames divisible by it, wherever chunks begin: resuming starts a group anew.
    """

    name: ClassVar[str] = "detect_faces"
    version: ClassVar[int] = 2
    lookback: ClassVar[int | None] = SEARCH_EVERY - 1
    joins: ClassVar[bool] = False
    Params = DetectFacesParams

    def __init__(self, params: DetectFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].data()

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises ModelNotFound when the detector's file is missing."""
        from diffscaler.faceswap.finding import find_faces, since

        meta, sure = inputs[0].meta, self.params.threshold
        total = meta.num_frames
        facts = {"sure": np.array([sure], np.float32), "size": np.array([meta.width, meta.height], np.int32)}
        if self.models[0].name == "scrfd":
            ctx.note("Faces found by SCRFD, for non-commercial research only (insightface).")
        with ctx.acquire(self.models[0]) as detector:
            groups = find_faces(
                detector,
                iter(inputs[0]),
                SEARCH_EVERY,
                sure * WEAK,
                sure,
                lambda index: ctx.step(index, total, "frame"),
            )
            for group in groups:
                if group.stop > ctx.start:
                    part = since(group, ctx.start)
                    yield TensorChunk(part.tensors | facts, part.start, part.count)


class SwapFace:
    """Frames, their detections, and masks if any -> the same frames with the performer's face. Frames without one pass
    bit-equal.

    The diffusion engine also reads what `RedrawFaces` drew, before the masks.

    A frame's result depends on the frame, the detections and the masks alone, so chunks and resume leave no trace.
    models: the detector (for the photos); for inswapper and ghost then the swapper and the recogniser; for ghost then
    the converter; for diffusion the text-to-video model, which decodes what it drew
    """

    name: ClassVar[str] = "swap_face"
    version: ClassVar[int] = 3
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = CastParams

    def __init__(self, params: CastParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[FrameChunk]:
        """Raises NoFaceFound when a photo shows no face, ModelNotFound when a model's file is missing, InvalidRequest
        when the cast names people whom the clip has not.
        """
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.masks import read_masks

        clip, fps = inputs[0], float(inputs[0].meta.fps)
        total = clip.meta.num_frames
        ctx.step(ctx.start, total, "frame")
        faces, last = gather(inputs[1]), len(inputs) - len(self.params.masks)
        stored = read_masks(self.params.masks, inputs[last:])
        with ExitStack() as leases:
            casting = Casting(self.params, self.models, faces, fps, ctx, leases, inputs[2:last], stored)
            casting.check(casting.named)
            for note in _unchanged(casting) + _unparsed(casting, stored):
                ctx.note(note)
            swapper = casting.swapper(self.params.engine, self.params.in_front)
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


def _unparsed(casting: Casting, stored: Mapping[MaskName, StoredMasks]) -> list[str]:
    """What to tell about frames in which the face parser saw no face."""
    from diffscaler.faceswap.ranges import missing_frames

    parsed = np.ones(len(casting.faces.cut), bool)
    for _, frame in stored["parsing"].unseen if "parsing" in stored else ():
        parsed[frame] = False
    listed = missing_frames(parsed, casting.fps)
    return [f"The face parser saw no face in {listed}; the face's outline is its mask there."] if listed else []


def _unchanged(casting: Casting) -> list[str]:
    """What to tell about frames without a face, and about those that show only people whom nobody plays."""
    from diffscaler.faceswap.ranges import missing_note

    seen, played = np.zeros((2, len(casting.faces.cut)), bool)
    for flags, tracks in ((seen, casting.found), (played, casting.tracks)):
        for track in tracks:
            flags[track.start : track.stop] = True
    notes = [missing_note(seen, casting.fps)]
    if casting.named:
        notes.append(missing_note(played | ~seen, casting.fps, "Nobody of the cast is in"))
    return [note for note in notes if note]
