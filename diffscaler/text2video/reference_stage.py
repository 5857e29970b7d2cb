"""The stage that shows a reference picture to an image encoder. Its result is kept, so another adapter, scale or seed
does not look again."""

from __future__ import annotations

from collections.abc import Iterator

from diffscaler.media import Chunk, ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext


class EncodeReferenceParams(Params):
    """Nothing to choose."""


class EncodeReference:
    """A still picture to what an image encoder sees in it, see image_encoder.py."""

    name, version, lookback, joins = "encode_reference", 1, None, False
    Params = EncodeReferenceParams

    def __init__(self, params: EncodeReferenceParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        ctx.step(0, 1, "picture")
        (chunk,) = inputs[0]
        with ctx.acquire(self.models[0]) as encoder:
            yield TensorChunk(encoder.read(chunk.frames[0]))
