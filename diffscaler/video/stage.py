"""The last stage: frames become the file a person takes away, with sound, timing and the story of how it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from diffscaler.media import Again, Chunk, ClipMeta, FileChunk, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.video.conform import Conform
from diffscaler.video.soundtrack import Soundtrack

if TYPE_CHECKING:
    from diffscaler.video.encodings import Encoding


class EncodeParams(Params):
    """encoding: a name from video/encodings.py, or "auto" (H.264, or PNG for a picture)

    quality: as that encoding counts it (crf), None for its default; bitrate_mbps: instead of a quality
    about: what the manifest says beyond the plan: prompt, seed, consent
    passes: how often to encode at most until a bitrate is met; conform: what the destination asks of the frames
    timecode, reel: of a timecode track, "" for none
    deep: SHA-256 of the imported file these frames are, to be read again at its full depth, "" for none
    soundtrack: what a film is given beside its pictures
    """

    later: ClassVar[frozenset[str]] = frozenset({"passes", "conform", "timecode", "reel", "deep", "soundtrack"})

    encoding: str = "auto"
    quality: int | None = None
    bitrate_mbps: float | None = None
    about: dict[str, str] = Field(default_factory=dict)
    passes: int = 1
    conform: Conform = Conform()
    timecode: str = ""
    reel: str = ""
    deep: str = ""
    soundtrack: Soundtrack = Soundtrack()


class Encode:
    """Writes a clip as one file. It joins: all notes of earlier stages are known when the manifest is written.

    Inputs: frames; the sound made for them (kind "tensors", as DecodeSound gives it) or, with a soundtrack, the sounds
    it lays out; and their transparency (frames, as Alpha gives it) where there is some.
    """

    name, version, lookback, joins = "encode", 1, None, True
    Params = EncodeParams

    def __init__(self, params: EncodeParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        from diffscaler.video.encodings import stored_size

        meta = self.params.conform.meta(inputs[0])
        if self._is_picture(meta):
            return meta.change(kind="file")
        width, height = stored_size(self._encoding(), meta.width, meta.height)
        return meta.change(kind="file", width=width, height=height, still=False)

    def suffix(self, meta: ClipMeta) -> str:
        """The ending of the file this will write for an input like `meta`, e.g. ".mp4"."""
        return ".png" if self._is_picture(meta) else self._encoding().suffix

    @property
    def bytes_per_pixel(self) -> float:
        """About what a frame takes on disk."""
        return self._encoding().format.bytes_per_pixel

    def _is_picture(self, meta: ClipMeta) -> bool:
        return meta.still and self.params.encoding == "auto"

    def _encoding(self) -> Encoding:
        from diffscaler.video.encodings import Encoding

        name = "h264" if self.params.encoding == "auto" else self.params.encoding
        return Encoding.model_validate(
            {"name": name, "quality": self.params.quality, "bitrate_mbps": self.params.bitrate_mbps}
        )

    def _pictures(
        self, inputs: tuple[Stream, ...], source: Stream, meta: ClipMeta, note: Callable[[str], Any]
    ) -> Iterator[FrameChunk]:
        """Frames as the destination wants them, with their transparency where the format has some."""
        from diffscaler.video.alpha import with_alpha

        conform, alpha = self.params.conform, alpha_of(inputs)
        chunks = conform.apply(source, meta, note)
        holds = self._is_picture(meta) or self._encoding().format.alpha_pix_fmt
        return with_alpha(chunks, conform.apply(alpha, alpha.meta)) if alpha and holds else chunks

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.video.reader import read_frames
        from diffscaler.video.stills import write_still
        from diffscaler.video.wav import write_wav
        from diffscaler.video.writer import write_clip

        meta = inputs[0].meta
        manifest = {**self.params.about, **ctx.recipe}
        conform = self.params.conform
        if self._is_picture(meta):
            path = ctx.scratch / "picture.png"
            chunks = self._pictures(inputs, inputs[0], meta, lambda text: None)
            frame = next(chunks).frames[0]
            for _ in chunks:
                pass
            write_still(path, frame, manifest)
            yield FileChunk(path, 1)
            return
        encoding = self._encoding()
        path = ctx.scratch / f"clip{encoding.suffix}"
        sound = ctx.media_path(meta.sound) if meta.sound else None
        made_sounds = tuple(stream for stream in inputs[1:] if stream.meta.kind == "tensors")
        if not self.params.soundtrack.empty:
            sound = self._soundtrack(inputs[0], made_sounds, ctx)
        elif made_sounds:
            made = next(iter(made_sounds[0])).tensors
            sound = write_wav(ctx.scratch / "sound.wav", made["samples"], int(made["rate"][0]))
        told: dict[str, None] = {}
        source = inputs[0]
        if self.params.deep:
            deep = ctx.media_path(self.params.deep)
            source = Stream(meta, Again(lambda: read_frames(deep, chunk_frames=meta.chunk_frames, deep=True)))
        form = encoding.format
        if alpha_of(inputs) and not form.alpha_pix_fmt:
            told.setdefault(f"{form.title} holds no transparency: what was see-through is black.")
        chunks = Again(lambda: self._pictures(inputs, source, meta, lambda text: told.setdefault(text)))
        made = conform.meta(meta)
        tags = {"timecode": self.params.timecode, "reel_name": self.params.reel}
        written = write_clip(
            path,
            made,
            chunks,
            encoding,
            sound=sound,
            manifest=manifest,
            on_frames=lambda done: ctx.step(done, max(done, made.num_frames), "frame"),
            track={name: value for name, value in tags.items() if value},
            note=lambda text: told.setdefault(text),
            passes=self.params.passes,
        )
        for text in told:
            ctx.note(text)
        yield FileChunk(path, written)

    def _soundtrack(self, frames: Stream, made: tuple[Stream, ...], ctx: StageContext) -> Path:
        from diffscaler.video.soundtrack_file import write_soundtrack

        track = self.params.soundtrack
        sounds = [partial(_samples, source) for source in made]
        own = ctx.media_path(track.own) if track.own else None
        return write_soundtrack(ctx.scratch / "soundtrack.mov", track, sounds, frames.meta, own)


def _samples(source: Stream) -> Any:
    """The samples of a sound, float32 (channels, N)."""
    return next(iter(source)).tensors["samples"]


def alpha_of(inputs: tuple[Stream, ...]) -> Stream | None:
    """The transparency among an encoder's inputs."""
    return next((stream for stream in inputs[1:] if stream.meta.kind != "tensors"), None)
