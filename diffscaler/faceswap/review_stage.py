"""The stage that looks at a finished swap as a careful viewer would: face by face, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

from diffscaler.faceswap.casting import Casting, CastParams
from diffscaler.faceswap.correct_stage import CorrectionParams, instead, together
from diffscaler.media import ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, StageContext

if TYPE_CHECKING:
    from diffscaler.faceswap.engines import Place


class ReviewSwapParams(CastParams):
    """The swap that is looked at; corrections: of its faces, so that those left alone on purpose are not missed."""

    corrections: tuple[CorrectionParams, ...] = ()
    later: ClassVar[frozenset[str]] = CastParams.later | {"corrections"}


#: What must be said where a recogniser is used.
LICENCE = "Likeness measured by ArcFace, for non-commercial research only (insightface)."


class ReviewSwap:
    """Frames, their detections, the swapped frames and, where one was used, the face parser's masks -> per chunk a row
    for each replaced face: see `review.COLUMNS`.

    models: the detector, and a recogniser when one is installed
    """

    name: ClassVar[str] = "review_swap"
    version: ClassVar[int] = 4
    lookback: ClassVar[int | None] = 1  # what changes between frames is measured against the one before
    joins: ClassVar[bool] = True
    Params = ReviewSwapParams

    def __init__(self, params: ReviewSwapParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].data()

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        from diffscaler.faceswap.at_once import at_once, runs_at_once
        from diffscaler.faceswap.detections import gather
        from diffscaler.faceswap.engines import places_in
        from diffscaler.faceswap.masks import StoredMasks
        from diffscaler.faceswap.reviewing import Reviewer, rows_of

        clip, faces = inputs[0], gather(inputs[1])
        total, first = clip.meta.num_frames, max(0, ctx.start - 1)
        ctx.step(ctx.start, total, "frame")
        with ExitStack() as leases:
            casting = Casting(self.params, self.models, faces, float(clip.meta.fps), ctx, leases)
            detector = leases.enter_context(ctx.acquire(self.models[0]))
            recognizer = (
                leases.enter_context(ctx.acquire(casting.models["arcface"])) if "arcface" in casting.models else None
            )
            if recognizer is not None:
                ctx.note(LICENCE)
            unseen = {each for stream in inputs[3:] for each in StoredMasks(stream).unseen}
            reviewer = Reviewer(casting, detector, recognizer, unseen)
            for part, swapped in together(clip, inputs[2], first):
                places, rows = places_in(casting.tracks, part.start, part.stop), []
                ctx.step(part.start, total, "frame")
                asked = at_once(
                    lambda place, frames=swapped: reviewer.ask(frames[place.offset], place),
                    places,
                    runs_at_once(detector.session),
                    lambda place, start=part.start: ctx.step(start + place.offset, total, "frame"),
                )
                for place, answer in zip(places, asked, strict=True):
                    at, index = place.offset, part.start + place.offset
                    row = reviewer.look(part.frames[at], swapped[at], place, self._kept(index, place), answer)
                    if index >= ctx.start:
                        rows.append(row)
                begun = max(part.start, ctx.start)
                if part.stop > begun:
                    yield TensorChunk(rows_of(rows), begun, part.stop - begun)

    def _kept(self, frame: int, place: Place) -> bool:
        return instead(self.params.corrections, frame, place.track.id) == "skip"
