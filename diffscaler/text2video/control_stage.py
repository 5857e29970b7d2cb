"""The stage that turns a clip into pictures which lead a new one: as many frames as are to be drawn, in their size."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np

from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.text2video.stages import fitted


class ControlFramesParams(Params):
    """kind: "canny" for edges, "none" for a clip that shows edges, depth or poses already; fps: of the new clip."""

    kind: Literal["canny", "none"]
    width: int
    height: int
    num_frames: int
    fps: str


class ControlFrames:
    """Picks the frame shown at each moment of the new clip; where the clip is shorter, its last one is held."""

    name, version, lookback, joins = "control_frames", 1, None, False
    Params = ControlFramesParams

    def __init__(self, params: ControlFramesParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        fps, frames = Fraction(self.params.fps), self.params.num_frames
        return ClipMeta(
            kind="frames",
            width=self.params.width,
            height=self.params.height,
            num_frames=frames,
            fps=fps,
            duration_s=float(frames / fps),
            still=frames == 1,
        )

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        wanted = np.arange(self.params.num_frames) / float(Fraction(self.params.fps))
        picked: list[np.ndarray] = []
        last: np.ndarray | None = None
        for chunk in inputs[0]:
            ctx.step(len(picked), len(wanted), "frame")
            for frame, time in zip(chunk.frames, chunk.times, strict=True):
                # What is on the screen at a moment is the last frame that began before it.
                while last is not None and len(picked) < len(wanted) and wanted[len(picked)] < time - 1e-6:
                    picked.append(last)
                last = self._led(frame) if len(picked) < len(wanted) else last
        assert last is not None
        held = len(wanted) - len(picked)
        if held > 1:
            ctx.note(f"The clip to follow is shorter: its last frame is held for {held} frames.")
        picked += [last] * held
        yield FrameChunk(np.stack(picked), 0, wanted)

    def _led(self, frame: np.ndarray) -> np.ndarray:
        picture = fitted(frame, self.params.width, self.params.height)
        if self.params.kind == "none":
            return picture
        from diffscaler.text2video.hotshot.controlnet import canny

        return canny(picture[None])[0]
