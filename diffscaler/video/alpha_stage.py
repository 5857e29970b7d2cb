"""The stage that reads the transparency of an imported file, as a grey clip."""

from __future__ import annotations

from collections.abc import Iterator

from diffscaler.media import Chunk, ClipMeta, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class AlphaParams(Params):
    """sha256: of the imported file."""

    sha256: str


class Alpha:
    """White is what hides all behind it, black is see-through. It is silent."""

    name, version, lookback, joins = "alpha", 1, 0, False
    Params = AlphaParams

    def __init__(self, params: AlphaParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames", alpha=False, sound=None)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.video.reader import read_frames

        chunk_frames = inputs[0].meta.chunk_frames
        yield from read_frames(ctx.media_path(self.params.sha256), ctx.start, chunk_frames, alpha=True)
