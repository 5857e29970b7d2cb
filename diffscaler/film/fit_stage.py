"""The stage that makes a drawn clip a shot: exactly as many frames as the shot list says, at the film's rate and size.

Frames are shown again, never blended: what a shot of 79 frames shows was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from pydantic import Field

from diffscaler.film.frame import placed_in
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class FitShotParams(Params):
    """num_frames, fps, width, height: of the film's shot; source_frames, source_fps: of the clip that was drawn

    Rates are fractions: "8", "24000/1001". Sizes are in pixels.
    """

    num_frames: int = Field(ge=1)
    fps: str
    width: int = Field(ge=2)
    height: int = Field(ge=2)
    source_frames: int = Field(ge=1)
    source_fps: str

    @property
    def slowed(self) -> Fraction:
        """How many times longer the shot is than its clip; 1 for a clip that is long enough."""
        shot_s, clip_s = self.num_frames / Fraction(self.fps), self.source_frames / Fraction(self.source_fps)
        return max(Fraction(1), shot_s / clip_s)

    def source_of(self, frame: int) -> int:
        """The clip's frame that a frame of the shot shows: the one of that moment, slowed where the clip is short."""
        moment = frame / Fraction(self.fps) / self.slowed
        return min(int(moment * Fraction(self.source_fps)), self.source_frames - 1)


class FitShot:
    """A clip as a shot of a film."""

    name, version, lookback, joins = "fit_shot", 1, 0, False
    Params = FitShotParams

    def __init__(self, params: FitShotParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def reads_from(self, start: int) -> int:
        """The first frame of the clip that the shot from frame `start` on is made of."""
        return self.params.source_of(start)

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p = self.params
        return shot_meta(p.num_frames, Fraction(p.fps), p.width, p.height)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        p, meta = self.params, self.describe(())
        if p.slowed > 1:
            drawn_s = p.source_frames / Fraction(p.source_fps)
            ctx.note(
                f"Drawn {float(drawn_s):.1f} s long and shown {float(p.slowed):.3g} times slower, to last"
                f" {meta.duration_s:.1f} s."
            )
        waiting: list[Frames] = []
        at = ctx.start
        for frame in self._frames(inputs[0], ctx):
            waiting.append(frame)
            if len(waiting) == meta.chunk_frames:
                yield shot_chunk(waiting, at, meta)
                at, waiting = at + len(waiting), []
        if waiting:
            yield shot_chunk(waiting, at, meta)

    def _frames(self, source: Stream, ctx: StageContext) -> Iterator[Frames]:
        """Every frame of the shot from `ctx.start` on. The clip is read to its end, so that it is complete."""
        p, at = self.params, ctx.start
        picture: Frames | None = None
        for chunk in source:
            for index, frame in enumerate(chunk.frames, chunk.start):
                ctx.step(at, p.num_frames, "frame")
                if at < p.num_frames and p.source_of(at) == index:
                    picture = placed_in(frame, p.width, p.height)
                while picture is not None and at < p.num_frames and p.source_of(at) <= index:
                    yield picture
                    at += 1
        while picture is not None and at < p.num_frames:  # the clip promised more frames than it held
            yield picture
            at += 1


def shot_meta(num_frames: int, fps: Fraction, width: int, height: int) -> ClipMeta:
    """The facts of a silent clip of a film. width, height: pixels"""
    return ClipMeta(
        kind="frames", width=width, height=height, num_frames=num_frames, fps=fps, duration_s=float(num_frames / fps)
    )


def shot_chunk(frames: list[Frames], start: int, meta: ClipMeta) -> FrameChunk:
    """Frames, each uint8 RGB (H, W, 3), as a chunk beginning at frame `start`."""
    times = np.arange(start, start + len(frames)) * meta.fps.denominator / meta.fps.numerator
    return FrameChunk(np.stack(frames), start, times)
