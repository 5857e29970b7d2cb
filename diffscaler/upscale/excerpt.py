"""A part of a clip, in time and in the picture, to try something on before it runs over all of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from pydantic import Field

from diffscaler.errors import InvalidRequest
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.requests import UpscaleRequest
from diffscaler.stage import ModelRef, Params, StageContext


class ExcerptParams(Params):
    """Frames [start, stop); x, y: the left upper corner in pixels, of a picture width x height."""

    start: int = Field(ge=0)
    stop: int = Field(ge=1)
    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)


def excerpt_of(whole: ClipMeta, request: UpscaleRequest) -> ExcerptParams | None:
    """The part a request wants to try, or None when it is about the whole clip.

    Seconds are counted in frames at the clip's average rate. Raises InvalidRequest where the clip has no such part.
    """
    if request.region is None and request.start_s is None:
        return None
    start, stop = 0, whole.num_frames
    if request.start_s is not None:
        start = int(request.start_s * whole.fps + Fraction(1, 1000))
        stop = min(stop, start + max(1, round(request.length_s * whole.fps)))
    if start >= whole.num_frames:
        raise InvalidRequest(
            f"The clip ends at {whole.duration_s:.2f} s, and the trial would begin at {request.start_s:g} s.",
            "Begin earlier.",
        )
    at = request.region
    if at is None:
        return ExcerptParams(start=start, stop=stop, x=0, y=0, width=whole.width, height=whole.height)
    if at.x + at.width > whole.width or at.y + at.height > whole.height:
        raise InvalidRequest(
            f"The region reaches to {at.x + at.width} x {at.y + at.height}, and the clip is"
            f" {whole.width} x {whole.height}.",
            "Choose one inside the picture.",
        )
    return ExcerptParams(start=start, stop=stop, **at.model_dump())


class Excerpt:
    """The part as a clip of its own that begins at 0 s. It is silent: the clip's sound belongs to all of it."""

    name, version, lookback, joins = "excerpt", 1, 0, False
    Params = ExcerptParams

    def __init__(self, params: ExcerptParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.reads_only = params.stop

    def reads_from(self, start: int) -> int:
        """Always from the part's first frame, whose time is taken off all times."""
        return self.params.start

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p, whole = self.params, inputs[0]
        count = min(p.stop, whole.num_frames) - p.start
        size = {"width": p.width, "height": p.height}
        duration_s = whole.duration_s * count / max(1, whole.num_frames)
        return whole.change(kind="frames", num_frames=count, duration_s=duration_s, sound=None, **size)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        p, began = self.params, 0.0
        for chunk in inputs[0]:
            if chunk.start == p.start:
                began = float(chunk.times[0])
            skip, left = max(0, p.start + ctx.start - chunk.start), p.stop - chunk.start
            frames = chunk.frames[skip:left, p.y : p.y + p.height, p.x : p.x + p.width]
            if len(frames):
                yield FrameChunk(frames, chunk.start + skip - p.start, chunk.times[skip:left] - began)
            if chunk.stop >= p.stop:
                return  # before the next chunk is asked for, which would have to be made
