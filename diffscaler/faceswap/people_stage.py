"""The stage that says who is in a clip, so that the page need not work it out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from diffscaler.media import ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext


class ListPeopleParams(Params):
    """Nothing can be chosen."""


class ListPeople:
    """The detections of a clip, and identities if there are any (`identity_stage`) -> one chunk, a row for everyone in
    it, most present first: see `people.rows_of`."""

    name: ClassVar[str] = "list_people"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = True  # tracks need the detections of the whole clip
    Params = ListPeopleParams

    def __init__(self, params: ListPeopleParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        """fps: of the clip the people are in."""
        return ClipMeta(kind="tensors", num_frames=1, fps=inputs[0].fps, duration_s=float(1 / inputs[0].fps))

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        from diffscaler.faceswap.detections import people
        from diffscaler.faceswap.identity_stage import vectors_of
        from diffscaler.faceswap.people import rows_of

        ctx.step(0, 1, "clip")
        vectors = vectors_of(inputs[1]) if len(inputs) > 1 else None
        yield TensorChunk(rows_of(people(inputs[0], inputs[0].meta, vectors)), 0, 1)
