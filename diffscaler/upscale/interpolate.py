"""The stage that raises the frame rate: between each two frames come those that optical flow draws, or a RIFE network.

n frames become n * times: every frame that was there stays as it is, bit by bit, and where it was. After the last one
nothing comes that could be moved towards, so it is held for its own time. A constant rate therefore stays constant, and
the clip as long as its sound. A frame's time that varies is divided evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from diffscaler.media import Chunk, ClipMeta, Frames, Stream, gathered
from diffscaler.stage import ModelRef, Params, StageContext

#: Two frames and moments between them, 0 being the first and 1 the second -> a picture for each moment.
Between = Callable[[Frames, Frames, Sequence[float]], Iterator[Frames]]


class InterpolateParams(Params):
    """times: frames that come out for each one that goes in."""

    times: Literal[2, 4]


class Interpolate:
    """More frames a second. A frame made depends on the two around it alone; across a cut the nearer one is repeated,
    the earlier one in the middle."""

    name, version, lookback, joins = "interpolate", 1, 0, False
    Params = InterpolateParams

    def __init__(self, params: InterpolateParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = 1.0

    def reads_from(self, start: int) -> int:
        """The first frame of the input that output from frame `start` on is made of."""
        return start // self.params.times

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta, times = inputs[0], self.params.times
        return meta.change(kind="frames", num_frames=meta.num_frames * times, fps=meta.fps * times)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.upscale.flow import between

        chunk_frames = self.describe((inputs[0].meta,)).chunk_frames
        if not self.models:
            yield from gathered(self.frames(inputs[0], between, ctx), ctx.start, chunk_frames)
            return
        with ctx.acquire(self.models[0]) as network:
            yield from gathered(self.frames(inputs[0], network.between, ctx), ctx.start, chunk_frames)

    def frames(self, source: Stream, between: Between, ctx: StageContext) -> Iterator[tuple[Frames, float]]:
        """Each frame from `ctx.start` on, with its time in seconds."""
        from diffscaler.video.cuts import is_cut, thumbnail

        parts, meta = self.params.times, source.meta
        index = ctx.start // parts
        skipped = ctx.start % parts
        before: tuple[Frames, float] | None = None
        for chunk in source:
            for frame, time in zip(chunk.frames, chunk.times, strict=True):
                if before is not None:
                    shown, began = before
                    moments = [part / parts for part in range(max(1, skipped), parts)]
                    if skipped == 0:
                        yield shown, began
                    if is_cut(thumbnail(shown), thumbnail(frame)):
                        made = (shown if moment <= 0.5 else frame for moment in moments)
                    else:
                        made = between(shown, frame, moments)
                    for moment, picture in zip(moments, made, strict=True):
                        ctx.step(index * parts + round(moment * parts), meta.num_frames * parts, "frame")
                        yield picture, began + moment * (float(time) - began)
                    index, skipped = index + 1, 0
                before = (frame, float(time))
        if before is not None:
            stays = meta.duration_s - before[1]
            stays = stays if stays > 0 else 1 / float(meta.fps)
            for part in range(skipped, parts):
                yield before[0], before[1] + stays * part / parts
