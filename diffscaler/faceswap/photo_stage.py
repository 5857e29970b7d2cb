"""The stage that looks at a photo of a performer: what face it shows, and how well."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar

from diffscaler.media import ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext


class InspectPhotoParams(Params):
    """photo: SHA-256 of an imported picture."""

    photo: str


class InspectPhoto:
    """A photo -> one chunk of tensors about its faces, largest first; see `remarks.PhotoFacts`."""

    name: ClassVar[str] = "inspect_photo"
    version: ClassVar[int] = 1
    lookback: ClassVar[int | None] = 0
    joins: ClassVar[bool] = False
    Params = InspectPhotoParams

    def __init__(self, params: InspectPhotoParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1, fps=Fraction(1), duration_s=1.0)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[TensorChunk]:
        """Raises MediaError when the file is no picture."""
        from diffscaler.faceswap.photo import faces_in_picture, facts_of

        ctx.step(0, 1, "photo")
        with ctx.acquire(self.models[0]) as detector:
            sha256 = self.params.photo
            faces = faces_in_picture(ctx.media_path(sha256), detector, ctx.media_name(sha256))
        yield TensorChunk(facts_of(faces), 0, 1)
