"""The stage that doubles the frame rate with the diffusion pair.

n frames become 2 n, in the order and at the times that `interpolate` gives them: those that were there stay as they
are, bit by bit, and the last one is held for its own time. Four times the rate is this stage twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field

from diffscaler.media import Chunk, ClipMeta, Frames, Stream, gathered
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.upscale.pair.windows import cuts

#: Frames out for each one in.
TIMES = 2

#: Reports a window, which takes seconds, in parts of it.
PARTS = 100


class InterpolatePairParams(Params):
    """pairs: neighbours in a window, that is one known frame more; tile: pixels worked on at once, whole cells of two
    num_inference_steps, seed: see tiles.Sampler
    """

    pairs: int = Field(4, ge=1)
    tile: int = Field(1024, ge=8, multiple_of=8)
    num_inference_steps: int = Field(1, ge=1, le=50)
    seed: int = 0


class InterpolatePair:
    """Draws the frames between, window by window.

    Windows share the frame they meet in, which is known, so none has to fade into the next. A window ends at a cut;
    across it the earlier frame is repeated.
    """

    name, version, lookback, joins = "interpolate_pair", 1, 0, False
    Params = InterpolatePairParams
    #: Of a frame of the result: a window in float32 as guess, condition, noise and what is drawn.
    working_bytes_per_pixel = 9 * 3 * 4 * 8

    def __init__(self, params: InterpolatePairParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = float(params.num_inference_steps)

    def reads_from(self, start: int) -> int:
        """The first frame of the window that output frame `start` is in."""
        return start // (TIMES * self.params.pairs) * self.params.pairs

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta = inputs[0]
        return meta.change(kind="frames", num_frames=meta.num_frames * TIMES, fps=meta.fps * TIMES)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        steps = self.params.num_inference_steps
        ctx.note(f"frames between by the diffusion pair, {steps} {'step' if steps == 1 else 'steps'}")
        chunk_frames = self.describe((inputs[0].meta,)).chunk_frames
        with ctx.acquire(self.models[0]) as pair:
            yield from gathered(self.frames(inputs[0], pair, ctx), ctx.start, chunk_frames)

    def frames(self, source: Stream, pair: Any, ctx: StageContext) -> Iterator[tuple[Frames, float]]:
        """Each frame from `ctx.start` on, with its time in seconds."""
        begin = self.reads_from(ctx.start)
        at = begin * TIMES
        held: list[tuple[Frames, float]] = []
        for chunk in source:
            for frame, time in zip(chunk.frames, chunk.times, strict=True):
                held.append((frame, float(time)))
                if len(held) == self.params.pairs + 1:
                    for shown in self.window(held, source.meta, begin, pair, ctx):
                        if at >= ctx.start:
                            yield shown
                        at += 1
                    begin, held = begin + self.params.pairs, held[-1:]
        for shown in [*self.window(held, source.meta, begin, pair, ctx), *last(held, source.meta)]:
            if at >= ctx.start:
                yield shown
            at += 1

    def window(
        self, held: list[tuple[Frames, float]], meta: ClipMeta, begin: int, pair: Any, ctx: StageContext
    ) -> Iterator[tuple[Frames, float]]:
        """Two frames for each of a window but its last. begin: frames of the clip before it"""
        if len(held) < 2:
            return
        frames, drawn = np.stack([frame for frame, _ in held]), []
        edges = [0, *cuts(frames), len(frames)]
        for first, stop in pairwise(edges):
            drawn += list(self.shot(frames[first:stop], meta, begin + first, pair, ctx))
            drawn.append(frames[stop - 1])  # across the cut
        for (frame, time), between, (_, following) in zip(held, drawn, held[1:], strict=False):
            yield frame, time
            yield between, (time + following) / 2

    def shot(self, frames: Frames, meta: ClipMeta, begin: int, pair: Any, ctx: StageContext) -> Frames:
        """What is drawn between frames of one shot, one fewer than they are."""
        from diffscaler.upscale.pair.tiles import Sampler
        from diffscaler.upscale.pair.tsr import between_all

        cells = self.params.tile // pair.network.config.patch

        def on_tile(done: int, tiles: int) -> None:
            ctx.step(round((begin + len(frames) * done / tiles) * PARTS), meta.num_frames * PARTS, "part")

        return between_all(
            pair, frames, Sampler(self.params.num_inference_steps, 0.0, self.params.seed, cells), on_tile
        )


def last(held: list[tuple[Frames, float]], meta: ClipMeta) -> list[tuple[Frames, float]]:
    """The clip's last frame, shown for its own time in two halves."""
    if not held:
        return []
    frame, time = held[-1]
    stays = meta.duration_s - time
    stays = stays if stays > 0 else 1 / float(meta.fps)
    return [(frame, time), (frame, time + stays / 2)]
