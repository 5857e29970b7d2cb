"""The last stage: frames become the file a person takes away, with sound, timing and the story of how it was made."""

from __future__ import annotations

from collections.abc import Iterator

from diffscaler.media import Chunk, ClipMeta, FileChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class EncodeParams(Params):
    """encoding: a name from video/encodings.py, or "auto"; quality: as that encoding understands it (crf)

    about: what the manifest says beyond the plan: prompt, seed, consent
    """

    encoding: str = "auto"
    quality: int = 14
    about: dict[str, str] = {}


class Encode:
    """Writes a clip as one file. It joins, so that all notes of earlier stages are known when the manifest is written."""

    name, version, lookback, joins = "encode", 1, None, True
    Params = EncodeParams

    def __init__(self, params: EncodeParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="file")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.video.encodings import Encoding
        from diffscaler.video.writer import write_clip, write_still

        meta = inputs[0].meta
        manifest = {**self.params.about, **ctx.recipe}
        if meta.still and self.params.encoding == "auto":
            path = ctx.scratch / "picture.png"
            frame = next(iter(inputs[0])).frames[0]
            for _ in inputs[0]:
                pass
            write_still(path, frame, manifest)
            yield FileChunk(path, 1)
            return
        name = "h264" if self.params.encoding == "auto" else self.params.encoding
        encoding = Encoding(name=name, quality=self.params.quality)  # type: ignore[arg-type]  # checked by the request
        path = ctx.scratch / f"clip{encoding.suffix}"
        written = write_clip(
            path,
            meta,
            inputs[0],
            encoding,
            sound=ctx.media_path(meta.sound) if meta.sound else None,
            manifest=manifest,
            on_frames=lambda done: ctx.step(done, max(done, meta.num_frames), "frame"),
        )
        yield FileChunk(path, written)
