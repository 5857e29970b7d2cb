"""The stage that brings frames to an exact size, and the sizes people deliver in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from pydantic import Field

from diffscaler.errors import InvalidRequest
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext

#: Width and height of the frame that a picture has to fit in; an upright picture fits into the same turned.
BOXES = {"1080p": (1920, 1080), "4K": (3840, 2160)}


def fitted_size(width: int, height: int, target: str) -> tuple[int, int]:
    """(width, height) of a picture at its largest inside a target of BOXES: its own aspect, both sides even.

    Raises InvalidRequest when the picture is as large already.
    """
    box = BOXES[target] if width >= height else BOXES[target][::-1]
    factor = min(Fraction(box[0], width), Fraction(box[1], height))
    if factor <= 1:
        raise InvalidRequest(
            f"The clip is {width} x {height} already, and {target} would not make it larger.",
            "Choose a larger target, times 2, or times 1 for the frame rate alone.",
        )
    wide, tall = (max(2, 2 * round(side * factor / 2)) for side in (width, height))
    return min(wide, box[0]), min(tall, box[1])


def size_after(meta: ClipMeta, scale: int | str) -> tuple[int, int]:
    """(width, height) of a clip at a scale of UpscaleRequest: a factor, or a target. Raises as `fitted_size`."""
    if isinstance(scale, str):
        return fitted_size(meta.width, meta.height, scale)
    return meta.width * scale, meta.height * scale


class ResizeParams(Params):
    """width, height: of the result, in pixels."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Resize:
    """Every frame at one size, by Pillow's Lanczos filter, which is widened where it shrinks: nothing aliases."""

    name, version, lookback, joins = "resize", 1, 0, False
    Params = ResizeParams

    def __init__(self, params: ResizeParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = 1.0

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames", width=self.params.width, height=self.params.height)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from PIL import Image

        size, frames = (self.params.width, self.params.height), inputs[0].meta.num_frames
        for chunk in inputs[0]:
            made = []
            for index, frame in enumerate(chunk.frames, chunk.start):
                ctx.step(index, frames, "frame")
                made.append(np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)))
            yield FrameChunk(np.stack(made), chunk.start, chunk.times)
