"""What the stages share that prepare a clip to lead a new one: as many frames as are to be drawn, in their size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import ClassVar

import numpy as np

from diffscaler.media import Chunk, ClipMeta, FrameChunk, Frames, Stream
from diffscaler.stage import ModelRef, StageContext
from diffscaler.text2video.stages import Shaped, asked_for, fitted


class ClipFrames:
    """Picks the frame shown at each moment of the new clip; where the clip is shorter, its last one is held."""

    name: ClassVar[str]
    #: What the clip is called when something is said about it.
    called: ClassVar[str]
    version, lookback, joins = 1, None, False

    def __init__(self, params: Shaped, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return asked_for(self.params, "frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        frames, most = self.params.num_frames, asked_for(self.params, "frames").chunk_frames
        times = np.arange(frames) / float(Fraction(self.params.fps))
        part: list[Frames] = []
        for index, picture in enumerate(self.pictures(inputs[0], ctx)):
            part.append(picture)
            if len(part) == most or index == frames - 1:
                start = index + 1 - len(part)
                yield FrameChunk(np.stack(part), start, times[start : index + 1])
                part = []

    def pictures(self, source: Iterable[FrameChunk], ctx: StageContext) -> Iterator[Frames]:
        """The new clip's frames, one after the other; one that is shown for several moments is the same object."""
        frames = self.params.num_frames
        times = np.arange(frames) / float(Fraction(self.params.fps))
        last: Frames | None = None
        picture: Frames | None = None
        held = 0
        for index, (frame, is_held) in enumerate(on_screen(source, times.tolist())):
            ctx.step(index, frames, "frame")
            held += is_held
            if picture is None or frame is not last:
                picture = self.made(frame)
            last = frame
            if held > 1 and index == frames - 1:
                ctx.note(f"{self.called} is shorter: its last frame is held for {held} frames.")
            yield picture

    def made(self, frame: Frames) -> Frames:
        """One frame, uint8 RGB (H, W, 3) of any size, as it leads the new clip, (height, width, 3)."""
        return fitted(frame, self.params.width, self.params.height)


def on_screen(source: Iterable[FrameChunk], times: Sequence[float]) -> Iterator[tuple[Frames, bool]]:
    """The frame that a clip shows at each of `times`, and whether it is the last one, held on.

    times: seconds, ascending. What is on the screen at a moment is the last frame that began before it. The clip is
    read no further than needed.
    """
    last: Frames | None = None
    found = 0
    for chunk in source:
        for frame, time in zip(chunk.frames, chunk.times, strict=True):
            while last is not None and times[found] < time - 1e-6:
                yield last, False
                found += 1
                if found == len(times):
                    return
            last = frame
    assert last is not None
    for _ in times[found:]:
        yield last, True
