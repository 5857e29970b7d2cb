"""The stage that makes faces sharp again: after a swap drawn at 128 px, or on footage that was soft to begin with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from diffscaler.faceswap.correct_stage import CorrectionParams, corrected, front_of, instead, together
from diffscaler.faceswap.mask_params import MaskParams
from diffscaler.media import ClipMeta, FrameChunk, Frames, Stream
from diffscaler.stage import ModelRef, StageContext

if TYPE_CHECKING:
    from diffscaler.faceswap.engines import Place


class RestoreFacesParams(MaskParams):
    """fidelity: CodeFormer only: 0 the best picture, 1 the face that was there

    blend: 0 leaves the frames bit-equal, 1 takes the restored face wholly
    wishes: whose faces: the `tracks` of every `Role` of the swap, in order
    corrections: of the swap; faces that keep their original are left out, other masks hold here too
    """

    fidelity: float = Field(0.7, ge=0, le=1)
    blend: float = Field(1.0, ge=0, le=1)
    wishes: tuple[Literal["all", "largest"] | tuple[int, ...], ...] = ("all",)
    corrections: tuple[CorrectionParams, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_one_role(cls, values: Any) -> Any:
        """Plans of version 1 knew one role and called it `tracks`; their clips may have to be made again."""
        if isinstance(values, dict) and "tracks" in values:
            values = dict(values)
            values["wishes"] = (values.pop("tracks"),)
        return values


class RestoreFaces:
    """Frames, the detections of their clip, and masks if any -> the same frames, faces restored; the rest passes
    bit-equal.

    The detections may be those of the clip before a swap: a swapped face lies where the other one lay. Where a swap
    fades or leaves a face alone, so does this.
    A frame's result depends on the frame, the detections and the masks alone, so chunks and resume leave no trace.
    models: the restorer
    An input between the detections and the masks is what this stage made of the clip before it was corrected: only
    frames that a correction is about are restored anew.
    """

    name: ClassVar[str] = "restore_faces"
    version: ClassVar[int] = 3
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = RestoreFacesParams

    def __init__(self, params: RestoreFacesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[FrameChunk]:
        """Raises ModelNotFound when the restorer's file is missing or is none."""
        from diffscaler.faceswap.crops import FFHQ
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.masks import FaceMasks, looks_of, read_masks
        from diffscaler.faceswap.restore import LICENCES, SIZE, restore_face
        from diffscaler.faceswap.track import assigned

        clip, params = inputs[0], self.params
        total = clip.meta.num_frames
        ctx.step(ctx.start, total, "frame")
        faces, fps = gather(inputs[1]), float(clip.meta.fps)
        tracks = faces.tracks(fps)
        chosen = assigned(tracks, params.wishes)
        tracks = [track for track in tracks if track.id in chosen]
        masks = FaceMasks(
            params, tracks, fps, read_masks(params.masks, inputs[len(inputs) - len(params.masks) :]),
            lambda: looks_of(tracks, faces, fps, lambda: ctx.step(ctx.start, total, "Following faces")),
        )  # fmt: skip
        with ctx.acquire(self.models[0]) as restorer:
            ctx.note(LICENCES[restorer.family])
            for part, before in self._parts(inputs, ctx.start):
                anew = range(part.start, part.stop)
                if before is not None:
                    anew = corrected(params.corrections, part.start, part.stop)
                places = [
                    place
                    for place in places_in(tracks, part.start, part.stop)
                    if part.start + place.offset in anew and self._blend(place, part.start) > 0
                ]
                frames = part.frames if before is None else _with(before, part, anew)
                if places and frames is part.frames:
                    frames = frames.copy()
                for place in places:
                    ctx.step(part.start + place.offset, total, "frame")
                    landmarks, blend = place.track.landmarks[place.index], self._blend(place, part.start)
                    how = instead(params.corrections, part.start + place.offset, place.track.id)
                    mask = masks.crop(FFHQ, SIZE, place.track, place.index, front_of(how, params.in_front) or ())
                    restore_face(frames[place.offset], restorer, landmarks, mask, params.fidelity, blend)
                ctx.step(part.stop, total, "frame")
                if places:
                    ctx.preview(frames)
                yield FrameChunk(frames, part.start, part.times)

    def _parts(self, inputs: tuple[Stream, ...], start: int) -> Iterator[tuple[FrameChunk, Frames | None]]:
        """Chunks from frame `start` on, each with its frames as they were restored before the corrections, if known."""
        if len(inputs) - len(self.params.masks) > 2:
            yield from together(inputs[0], inputs[2], start)
        else:
            yield from ((chunk.since(start), None) for chunk in inputs[0] if chunk.stop > start)

    def _blend(self, place: Place, start: int) -> float:
        """How far one face is restored, 0..1: as far as it was swapped. start: first frame of the place's chunk"""
        if instead(self.params.corrections, start + place.offset, place.track.id) == "skip":
            return 0.0
        return self.params.blend * float(place.track.weights[place.index])


def _with(before: Frames, part: FrameChunk, anew: Collection[int]) -> Frames:
    """The restored frames of a chunk, those that are to be restored anew as they came."""
    result = before.copy() if anew else before
    for index in anew:
        result[index - part.start] = part.frames[index - part.start]
    return result
