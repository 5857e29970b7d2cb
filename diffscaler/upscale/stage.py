"""The upscaling stage: frames in, larger frames out, one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diffscaler.media import CHUNK_BYTES, Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class UpscaleParams(Params):
    """scale: times larger in both directions; tile: pixels of input worked on at once."""

    scale: int
    tile: int = 256


class Upscale:
    """Runs an upscaler over a clip. A frame's result depends on that frame alone."""

    name, version, lookback, joins = "upscale", 1, 0, False
    Params = UpscaleParams

    def __init__(self, params: UpscaleParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = 1.0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta = inputs[0]
        return meta.change(kind="frames", width=meta.width * self.params.scale, height=meta.height * self.params.scale)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.upscale.tile import upscale_frame

        meta = inputs[0].meta
        with ctx.acquire(self.models[0]) as upscaler:
            for chunk in inputs[0]:
                made: list[np.ndarray] = []
                first = chunk.start
                for offset, frame in enumerate(chunk.frames):

                    def on_tile(tile: int, tiles: int, index: int = chunk.start + offset) -> None:
                        ctx.step(index * tiles + tile, meta.num_frames * tiles, "tile" if tiles > 1 else "frame")

                    made.append(upscale_frame(upscaler, frame, self.params.scale, self.params.tile, on_tile))
                    last = chunk.start + offset + 1
                    # Large frames leave in smaller chunks, so that memory stays flat.
                    if last == chunk.stop or (len(made) + 1) * made[0].nbytes > CHUNK_BYTES:
                        times = chunk.times[first - chunk.start : last - chunk.start]
                        yield FrameChunk(np.stack(made), first, times)
                        made, first = [], last
