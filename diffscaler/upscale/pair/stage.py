"""The stage that upscales with the diffusion pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from diffscaler.media import Chunk, ClipMeta, FrameChunk, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.upscale.pair.windows import Windows, faded

#: What the network enlarges by; another factor is made of its frames.
OWN_SCALE = 4

#: The noise that goes with clips a model has drawn: what their decoder makes up is not believed to the letter.
DRAWN_LEVEL = 0.05

#: Reports a window, which takes seconds, in parts of it.
PARTS = 100


class PairParams(Params):
    """scale: times larger in both directions; tile: pixels of input worked on at once, even
    window, overlap: frames, see windows.py; num_inference_steps, noise_level, seed: see tiles.Sampler
    """

    scale: int
    tile: int = Field(256, ge=2, multiple_of=2)
    window: int = Field(8, ge=1)
    overlap: int = Field(2, ge=0)
    num_inference_steps: int = Field(1, ge=1, le=50)
    noise_level: float = Field(0.0, ge=0, le=1)
    seed: int = 0


class UpscalePair:
    """Draws what a small clip leaves open, window by window; equal frames give equal frames."""

    name, version, joins = "upscale_pair", 1, False
    Params = PairParams
    #: Of the result: the frames of a window in float32, noisy, predicted and drawn.
    working_bytes_per_pixel = 8 * 3 * 4 * 5

    def __init__(self, params: PairParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.windows = Windows(params.window, params.overlap)
        own_size = (OWN_SCALE / params.scale) ** 2
        self.effort = own_size * params.num_inference_steps * params.window / self.windows.stride

    @property
    def lookback(self) -> int:
        """The window a frame is in may have begun so much earlier."""
        return self.params.window - 1

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta, scale = inputs[0], self.params.scale
        return meta.change(kind="frames", width=meta.width * scale, height=meta.height * scale)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        source, steps = inputs[0], self.params.num_inference_steps
        ctx.note(f"diffusion pair, {steps} {'step' if steps == 1 else 'steps'} for each frame")
        most = self.describe((source.meta,)).chunk_frames
        times: list[float] = []
        made: list[npt.NDArray[np.uint8]] = []
        start = ctx.start
        with ctx.acquire(self.models[0]) as pair:
            given = self.frames(source, ctx.start, times)
            for frame in faded(given, self.windows, source.meta.num_frames, ctx.start, self.drawer(pair, source, ctx)):
                made.append(self.sized(frame, source.meta))
                if len(made) == most:
                    yield FrameChunk(np.stack(made), start, np.array(times[: len(made)]))
                    start += len(made)
                    del times[: len(made)]
                    made = []
        if made:
            yield FrameChunk(np.stack(made), start, np.array(times[: len(made)]))

    def frames(self, source: Stream, start: int, times: list[float]) -> Iterator[npt.NDArray[np.uint8]]:
        """Each frame from the first window on; times: is given the seconds of those from `start` on."""
        first = self.windows.first(start) * self.windows.stride
        for chunk in source:
            for index, (frame, time) in enumerate(zip(chunk.frames, chunk.times, strict=True), chunk.start):
                if index >= start:
                    times.append(float(time))
                if index >= first:
                    yield frame

    def drawer(self, pair: Any, source: Stream, ctx: StageContext) -> Any:
        """What draws the parts of windows, and says how far it is."""
        from diffscaler.upscale.pair.ssr import enlarged
        from diffscaler.upscale.pair.tiles import Sampler

        params, total = self.params, source.meta.num_frames
        sampler = Sampler(params.num_inference_steps, params.noise_level, params.seed, params.tile)

        def draw(frames: Frames, begin: int) -> npt.NDArray[np.float32]:
            def on_tile(done: int, tiles: int) -> None:
                ctx.step(round((begin + len(frames) * done / tiles) * PARTS), total * PARTS, "part")

            return enlarged(pair, frames, sampler, on_tile).permute(0, 2, 3, 1).numpy()

        return draw

    def sized(self, frame: npt.NDArray[np.uint8], meta: ClipMeta) -> npt.NDArray[np.uint8]:
        """A drawn frame at the size that was asked for."""
        if self.params.scale == OWN_SCALE:
            return frame
        from diffscaler.upscale.tile import resized

        return resized(frame, meta.height * self.params.scale, meta.width * self.params.scale)
