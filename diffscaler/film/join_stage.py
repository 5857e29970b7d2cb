"""The stage that puts clips of one size and rate one behind the other, with what is burnt in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from diffscaler.errors import InvalidRequest
from diffscaler.film.burn_in import burnt_in
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.screenplay.export.timecode import frame_of, timecode_of
from diffscaler.stage import ModelRef, Params, StageContext


class JoinShotsParams(Params):
    """labels: one a clip, burnt in with the timecode; none: the pictures stay clean

    rate: its name, for the timecode; timecode: of the first frame, a semicolon counts drop-frame
    """

    labels: tuple[str, ...] = ()
    rate: str = "24"
    timecode: str = "01:00:00:00"
    later: ClassVar[frozenset[str]] = frozenset({"labels", "rate", "timecode"})


class JoinShots:
    """Clips with hard cuts between them. It joins, as its inputs are read one after another; one chunk of one of them
    is in memory at a time, however many there are."""

    name, version, lookback, joins = "join_shots", 1, 0, True
    Params = JoinShotsParams

    def __init__(self, params: JoinShotsParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def reads_from(self, start: int) -> int:
        """Clips are read from their own first frame; those that lie before `start` are not read at all."""
        return 0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        """Raises InvalidRequest for clips of several sizes or rates."""
        first = inputs[0]
        for meta in inputs:
            if (meta.width, meta.height, meta.fps) != (first.width, first.height, first.fps) or meta.vfr:
                raise InvalidRequest(
                    "Clips of several sizes or frame rates cannot be joined.", "Bring them to one size and rate first."
                )
        count = sum(meta.num_frames for meta in inputs)
        return first.change(
            kind="frames", num_frames=count, duration_s=float(count / first.fps), sound=None, still=False
        )

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        whole = self.describe(tuple(source.meta for source in inputs))
        began = 0
        for number, source in enumerate(inputs):
            if began + source.meta.num_frames > ctx.start:
                for chunk in source:
                    start = began + chunk.start
                    times = np.arange(start, began + chunk.stop) * whole.fps.denominator / whole.fps.numerator
                    part = FrameChunk(chunk.frames, start, times).since(ctx.start)
                    if len(part.frames):
                        ctx.step(part.stop, whole.num_frames, "frame")
                        yield self._told(part, number)
            began += source.meta.num_frames

    def _told(self, chunk: FrameChunk, number: int) -> FrameChunk:
        p = self.params
        if not p.labels:
            return chunk
        first, drop = frame_of(p.timecode, p.rate) + chunk.start, ";" in p.timecode
        frames = [
            burnt_in(frame, p.labels[number], timecode_of(index, p.rate, drop))
            for index, frame in enumerate(chunk.frames, first)
        ]
        return FrameChunk(np.stack(frames), chunk.start, chunk.times)
