"""The stage that holds an upscaled clip steady."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from diffscaler.media import Chunk, ClipMeta, Frames, Stream, gathered
from diffscaler.stage import ModelRef, Params, StageContext


class SteadyParams(Params):
    """scale: in 8-bit levels, see steady.py."""

    scale: float = Field(gt=0)


class Steady:
    """Weighs each frame with the one before and the one after; never across a cut."""

    name, version, lookback, joins = "steady", 1, 1, False
    Params = SteadyParams

    def __init__(self, params: SteadyParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = 1.0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        yield from gathered(self.frames(inputs[0], ctx), ctx.start, inputs[0].meta.chunk_frames)

    def frames(self, source: Stream, ctx: StageContext) -> Iterator[tuple[Frames, float]]:
        """Each frame from `ctx.start` on, with its time in seconds."""
        from diffscaler.upscale.steady import weighed
        from diffscaler.video.cuts import is_cut, thumbnail

        held: tuple[Frames, float] | None = None  # waits for the frame after it
        before: list[Frames] = []  # the frame before that one, if they are of one shot
        index = max(0, ctx.start - 1)
        for chunk in source:
            for frame, time in zip(chunk.frames, chunk.times, strict=True):
                if held is not None:
                    after = [] if is_cut(thumbnail(held[0]), thumbnail(frame)) else [frame]
                    if index >= ctx.start:
                        ctx.step(index, source.meta.num_frames, "frame")
                        yield weighed(held[0], before + after, self.params.scale), held[1]
                    before, index = [held[0]] if after else [], index + 1
                held = (frame, float(time))
        if held is not None and index >= ctx.start:
            yield weighed(held[0], before, self.params.scale), held[1]
