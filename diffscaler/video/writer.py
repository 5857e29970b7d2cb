"""Chunks of frames to a delivered file: exact times, all of the source's sound, and how it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import VideoReformatter

from diffscaler.errors import InvalidRequest, MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames
from diffscaler.video import encodings, gif
from diffscaler.video.audio import SoundCopy, shifted_chapters
from diffscaler.video.colour import BT709, to_encoder
from diffscaler.video.container import open_media
from diffscaler.video.cpu import has_avx512
from diffscaler.video.encodings import Encoding
from diffscaler.video.manifest import KEY, manifest_text, split_metadata
from diffscaler.video.stills import write_still
from diffscaler.video.storage import writing
from diffscaler.video.timeline import read_timeline

# Tags that describe the source's container, not its content.
DROPPED_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")

Timed = tuple[Frames, int, int]  # uint8 RGB (H, W, 3), its pts and how long it stays, in ticks


def write_clip(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    encoding: Encoding,
    *,
    sound: Path | None = None,
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None = None,
) -> int:
    """Encode a clip into `path` and return how many frames it holds. The caller moves the file where it belongs.

    meta: its fps, vfr and duration_s give the times; sizes come from the frames
    sound: the file whose audio tracks, text subtitles, chapters and tags belong to the clip; sound that goes on after
    the clip is kept only when it did so in that file
    on_frames: called with the number of frames encoded so far, after each chunk
    Same frames, settings and sound give the same bytes. Whatever fails leaves no file.
    Raises NotEnoughRoom when the disk is full, MediaError when there is nothing to write or the encoder refuses.
    """
    path = Path(path)
    if encoding.name == "png":
        return _write_one_picture(path, chunks, manifest, on_frames)
    with writing(path):
        count = _encode(path, meta, chunks, encoding, sound, manifest, on_frames)
        if encoding.name == "gif":
            gif.add_comment(path, manifest_text(manifest))
        # A disk can fill up in the last write, which FFmpeg does not always report: read back what is there.
        if len(read_timeline(path)) != count:
            raise MediaError(f"{path.name} could not be written completely.", "Check the disk and try again.")
    return count


def _encode(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    encoding: Encoding,
    sound: Path | None,
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None,
) -> int:
    clock = encodings.time_base(encoding, meta.fps, meta.vfr)
    frames = timed_frames(chunks, meta, clock, on_frames)
    first = next(frames, None)
    if first is None:
        raise MediaError("There are no frames to write.", "Make the clip again.")
    with ExitStack() as stack:
        output = stack.enter_context(
            av.open(str(path), "w", format=encoding.format.muxer, container_options=encodings.muxer_options(encoding))
        )
        height, width = first[0].shape[:2]
        picture = _Picture(output, encoding, meta.fps, clock, width, height)
        tags: dict[str, str] = {}
        copy: SoundCopy | None = None
        if sound is not None and encoding.carries_sound:
            source = stack.enter_context(open_media(sound))
            start, end_s = _sound_span(sound, bool(source.streams.video), meta.duration_s)
            copy = SoundCopy(source, output, encoding.format, start, end_s)
            output.set_chapters(shifted_chapters(source, start, meta.duration_s))
            tags = split_metadata(dict(source.metadata))[0]
        output.metadata.update(tags_for(tags, manifest))
        output.start_encoding()
        count = 0
        frame: Timed | None = first
        while frame is not None:
            picture.write(*frame)
            if copy is not None:
                copy.copy_until(float(frame[1] * clock))
            count += 1
            frame = next(frames, None)
        picture.finish()
        if copy is not None:
            copy.copy_until(None)
    return count


class _Picture:
    """The video stream of an output and its encoder."""

    def __init__(
        self, output: OutputContainer, encoding: Encoding, fps: Fraction, clock: Fraction, width: int, height: int
    ) -> None:
        self._output, self._clock = output, clock
        self._shape = (height, width)
        self._width, self._height = encodings.stored_size(encoding, width, height)
        form = encoding.format
        if form.encoder == "libx265" and min(width, height) < encodings.X265_SIDE:
            raise MediaError(
                f"H.265 needs pictures of at least {encodings.X265_SIDE} pixels a side, and these are "
                f"{width} x {height}.",
                "Choose H.264.",
            )
        options = {**encodings.encoder_options(encoding, fps, has_avx512()), "flags": "+bitexact"}
        stream: Any = output.add_stream(
            form.encoder, rate=fps, options=options, width=self._width, height=self._height, time_base=clock,
            bit_rate=encodings.bit_rate(encoding),
        )  # fmt: skip
        stream.pix_fmt = form.pix_fmt
        if form.encoder == "libx265":
            stream.codec_context.codec_tag = "hvc1"  # QuickTime and Safari play no other kind of H.265
        if form.encoder != "gif":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = 1
        self._stream = stream
        self._pix_fmt = form.pix_fmt
        self._scaler = VideoReformatter()
        self._palettes = gif.Palettes(width, height, clock) if form.encoder == "gif" else None
        self._stays: dict[int, int] = {}

    def write(self, frame: Frames, pts: int, stays: int) -> None:
        """frame: uint8 RGB (H, W, 3)"""
        if frame.shape[:2] != self._shape:
            raise ValueError(f"A clip's frames have one size: {frame.shape[:2]} after {self._shape}.")
        height, width = self._shape
        if (height, width) != (self._height, self._width):
            frame = np.pad(frame, ((0, self._height - height), (0, self._width - width), (0, 0)), mode="edge")
        if self._palettes is not None:
            picture = self._palettes.apply(frame)
        else:
            picture = to_encoder(self._scaler, frame, self._pix_fmt, BT709)
            picture.color_primaries = picture.color_trc = BT709
        picture.pts, picture.time_base = pts, self._clock
        picture.duration = stays
        self._stays[pts] = stays
        self._mux(self._stream.encode(picture))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # Encoders drop durations, and without them the last frame's is lost.
            packet.duration = self._stays.pop(packet.pts, packet.duration)
            self._output.mux(packet)


def timed_frames(
    chunks: Iterable[FrameChunk], meta: ClipMeta, clock: Fraction, on_frames: Callable[[int], None] | None = None
) -> Iterator[Timed]:
    """Each frame with its pts and stay in ticks of `clock` seconds, rising; the last one stays until duration_s."""
    held: tuple[Frames, int] | None = None
    count, offset, last_s = 0, 0.0, 0.0
    for chunk in chunks:
        if count == 0 and len(chunk.times):
            offset = float(chunk.times[0])
        for frame, time_s in zip(chunk.frames, chunk.times, strict=True):
            at = Fraction(float(time_s) - offset) if meta.vfr else count / meta.fps
            pts, last_s = round(at / clock), float(at)
            if held is not None:
                pts = max(pts, held[1] + 1)
                yield held[0], held[1], pts - held[1]
            held = (frame, pts)
            count += 1
        if on_frames is not None:
            on_frames(count)
    if held is not None:
        stays = meta.duration_s - last_s
        end = Fraction(meta.duration_s) if stays > 0 else Fraction(last_s) + 1 / meta.fps
        yield held[0], held[1], max(1, round(end / clock) - held[1])


def _sound_span(sound: Path, has_picture: bool, duration_s: float) -> tuple[Fraction, float | None]:
    """(the first frame's time in the sound's file, where its sound must end: None for its own end)."""
    if not has_picture:
        return Fraction(0), duration_s
    timeline = read_timeline(sound)
    # Half a frame of slack: clips made of all the file's frames keep all its sound.
    shorter = duration_s < timeline.duration_s - 0.5 / float(timeline.fps)
    return timeline.start_s, duration_s if shorter else None


def tags_for(source: dict[str, str], manifest: dict[str, Any]) -> dict[str, str]:
    """The delivered file's tags: the source's, with its comment as description, and the manifest as comment."""
    tags = {name: value for name, value in source.items() if name not in DROPPED_TAGS}
    if KEY in tags:
        tags.setdefault("description", tags[KEY])
    return {**tags, KEY: manifest_text(manifest)}


def _write_one_picture(
    path: Path, chunks: Iterable[FrameChunk], manifest: dict[str, Any], on_frames: Callable[[int], None] | None
) -> int:
    frames = [frame for chunk in chunks for frame in chunk.frames[:2]][:2]
    if len(frames) > 1:
        raise InvalidRequest("A PNG holds one picture, and this clip has more.", "Choose MP4, WebM or GIF.")
    if not frames:
        raise MediaError("There are no frames to write.", "Make the clip again.")
    write_still(path, frames[0], manifest)
    if on_frames is not None:
        on_frames(1)
    return 1


__all__ = ["tags_for", "timed_frames", "write_clip", "write_still"]
