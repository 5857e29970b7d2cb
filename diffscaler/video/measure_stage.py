"""The stage behind the quality card: what really came out of a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar

from diffscaler.media import ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext


class MeasureParams(Params):
    """Nothing to choose."""


class Measure:
    """A delivered file -> one chunk of its figures; see `measure.Figures`."""

    name: ClassVar[str] = "measure"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True
    Params = MeasureParams

    def __init__(self, params: MeasureParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1, fps=Fraction(1), duration_s=1.0)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises MediaError when the file cannot be read."""
        from diffscaler.video.measure import measure

        total = max(1, inputs[0].meta.num_frames)
        figures = measure(inputs[0], lambda done: ctx.step(done, total, "frame"))
        yield TensorChunk(figures.tensors(), 0, 1)
