"""The upscaling stage: frames in, larger frames out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from diffscaler.media import CHUNK_BYTES, CHUNK_FRAMES, Chunk, ClipMeta, FrameChunk, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class UpscaleParams(Params):
    """scale: times larger in both directions; tile: pixels a side of what is worked on at once, 0: as is quickest.

    denoise_strength: below 1 there is a second model, and the network lies between the two (upscale/dni.py)
    """

    scale: int
    tile: int = 0
    denoise_strength: float = 1.0


class Upscale:
    """Runs an upscaler over a clip. A frame's result depends on that frame alone."""

    name, version, lookback, joins = "upscale", 2, 0, False
    Params = UpscaleParams

    def __init__(self, params: UpscaleParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = 1.0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta = inputs[0]
        return meta.change(kind="frames", width=meta.width * self.params.scale, height=meta.height * self.params.scale)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.upscale.dni import between
        from diffscaler.upscale.tile import upscale_frames

        meta = inputs[0].meta
        times: list[float] = []  # of frames that were begun and have not left

        def frames() -> Iterator[Frames]:
            for chunk in inputs[0]:
                times.extend(chunk.times)
                yield from chunk.frames

        def step(index: int, done: int, windows: int) -> None:
            part = (ctx.start + index) * windows + done
            ctx.step(part, meta.num_frames * windows, "tile" if windows > 1 else "frame")

        def left(made: list[Frames], start: int) -> FrameChunk:
            chunk = FrameChunk(np.stack(made), start, np.array(times[: len(made)]))
            del times[: len(made)]
            return chunk

        with ExitStack() as lent:
            upscaler = lent.enter_context(ctx.acquire(self.models[0]))
            if self.params.denoise_strength < 1:
                weak = lent.enter_context(ctx.acquire(self.models[1]))
                upscaler = between(upscaler, weak, self.params.denoise_strength)
            if upscaler.number_format != "float32":
                ctx.note(f"{self.models[0].name} computed in {upscaler.number_format}.")
            few = meta.num_frames < upscaler.workers
            made: list[Frames] = []
            start = ctx.start
            for frame in upscale_frames(upscaler, frames(), self.params.scale, self.params.tile, few, step):
                made.append(frame)
                # Large frames leave in smaller chunks, so that memory stays flat.
                if len(made) == CHUNK_FRAMES or (len(made) + 1) * frame.nbytes > CHUNK_BYTES:
                    yield left(made, start)
                    start, made = start + len(made), []
            if made:
                yield left(made, start)
