"""Chunks of frames to a delivered file: exact times, all of the source's sound, and how it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
from diffscaler.video.sequence import write_sequence
from diffscaler.video.stills import write_still
from diffscaler.video.storage import writing
from diffscaler.video.timeline import read_timeline

# Tags that describe the source's container, not its content.
DROPPED_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")

# A rate this near its target is not tried again.
CLOSE_ENOUGH = 0.03

Timed = tuple[
    Frames, int, int
]  # uint8 or uint16 RGB (H, W, 3) or uint8 RGBA (H, W, 4), its pts and how long it stays, in ticks


def write_clip(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    encoding: Encoding,
    *,
    sound: Path | None = None,
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None = None,
    track: Mapping[str, str] | None = None,
    note: Callable[[str], None] | None = None,
    passes: int = 1,
) -> int:
    """Encode a clip into `path` and return how many frames it holds. The caller moves the file where it belongs.

    meta: its fps, vfr and duration_s give the times; sizes come from the frames
    sound: the file whose audio tracks, text subtitles, chapters and tags belong to the clip; sound that goes on after
    the clip is kept only when it did so in that file
    on_frames: called with the number of frames encoded so far, after each chunk
    track: tags of the picture's track; "timecode" and "reel_name" make a timecode track in MOV and MP4
    note: told what could not be kept as it was
    passes: with a target bitrate, how often to encode at most until it is met; `chunks` is read anew for each
    Same frames, settings and sound give the same bytes. Whatever fails leaves no file.
    Raises NotEnoughRoom when the disk is full, MediaError when there is nothing to write or the encoder refuses.
    """
    path = Path(path)
    note = note or (lambda text: None)
    if sound is not None and not encoding.carries_sound:
        note(f"{encoding.format.title} holds no sound: it was left out.")
    if encoding.name == "png":
        return _write_one_picture(path, chunks, manifest, on_frames)
    if encoding.name == "pictures":
        with writing(path):
            return write_sequence(path, meta, chunks, manifest, on_frames)
    if encoding.bitrate_mbps is not None:
        return _to_bitrate(path, meta, chunks, encoding, sound, manifest, on_frames, track, note, passes)
    with writing(path):
        count, notes, _ = _encode(path, meta, chunks, encoding, sound, manifest, on_frames, track)
        if encoding.name == "gif":
            gif.add_comment(path, manifest_text(manifest))
        _check_whole(path, count)
    for text in notes:
        note(text)
    return count


def _check_whole(path: Path, count: int) -> None:
    """A disk can fill up in the last write, which FFmpeg does not always report: read back what is there."""
    if len(read_timeline(path)) != count:
        raise MediaError(f"{path.name} could not be written completely.", "Check the disk and try again.")


def _to_bitrate(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    encoding: Encoding,
    sound: Path | None,
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None,
    track: Mapping[str, str] | None,
    note: Callable[[str], None],
    passes: int,
) -> int:
    """Encode, measure, and encode again aiming higher or lower; the nearest one stays.

    One mechanism for every encoder: FFmpeg's two passes work differently in each, and not at all in some.
    """
    target = aim = encoding.bitrate_mbps or 0.0
    best, count, notes = 0.0, 0, tuple[str, ...]()
    attempt = path.with_name(f"again-{path.name}")
    for _ in range(max(1, passes)):
        with writing(attempt):
            tried = encoding.model_copy(update={"bitrate_mbps": aim})
            count, notes, size_bytes = _encode(attempt, meta, chunks, tried, sound, manifest, on_frames, track)
            _check_whole(attempt, count)
            real = size_bytes * 8 / 1e6 / max(meta.duration_s, 1e-6)
            if not best or abs(real - target) < abs(best - target):
                best = real
                attempt.replace(path)
        attempt.unlink(missing_ok=True)
        if abs(real - target) <= CLOSE_ENOUGH * target or not real:
            break
        aim = min(1000.0, max(0.001, aim * min(8.0, max(0.125, target / real))))
    for text in notes:
        note(text)
    if abs(best - target) > 0.1 * target:
        why = "this picture takes no more" if best < target else "this picture takes no less"
        note(f"The picture came to {best:.3g} Mbit/s, not {target:.3g}: {why} at its size and rate.")
    return count


def _encode(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    encoding: Encoding,
    sound: Path | None,
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None,
    track: Mapping[str, str] | None,
) -> tuple[int, tuple[str, ...], int]:
    """(frames, what became of the sound, bytes of the picture's track)."""
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
        picture = _Picture(output, encoding, meta, clock, width, height, first[0].shape[2] == 4)
        picture.tag(track or {})
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
    return count, copy.notes if copy else (), picture.size_bytes


class _Picture:
    """The video stream of an output and its encoder."""

    def __init__(
        self,
        output: OutputContainer,
        encoding: Encoding,
        meta: ClipMeta,
        clock: Fraction,
        width: int,
        height: int,
        alpha: bool,
    ) -> None:
        self._output, self._clock = output, clock
        self._shape = (height, width)
        self._width, self._height = encodings.stored_size(encoding, width, height)
        form = encoding.format
        least_width, least_height = form.smallest
        if width < least_width or height < least_height:
            least = f"{least_width} pixels a side" if least_width == least_height else f"{least_width} x {least_height}"
            raise MediaError(
                f"{form.title} needs pictures of at least {least}, and these are {width} x {height}.",
                "Choose H.264, or ProRes for an edit suite.",
            )
        options = {**encodings.encoder_options(encoding, meta.fps, has_avx512(), meta.num_frames), "flags": "+bitexact"}
        if alpha and form.encoder == "libvpx-vp9":
            options["auto-alt-ref"] = "0"  # it encodes no alpha with those
        stream: Any = output.add_stream(
            form.encoder, rate=meta.fps, options=options, width=self._width, height=self._height, time_base=clock,
            bit_rate=encodings.bit_rate(encoding),
        )  # fmt: skip
        pix_fmt = form.alpha_pix_fmt if alpha else form.pix_fmt
        stream.pix_fmt = pix_fmt
        if alpha and form.muxer == "webm":
            stream.metadata["alpha_mode"] = "1"
        if form.codec_tag:
            stream.codec_context.codec_tag = form.codec_tag
        if form.encoder != "gif":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = 1
        self._stream = stream
        self._pix_fmt = pix_fmt
        self._scaler = VideoReformatter()
        self._palettes = gif.Palettes(width, height, clock, alpha) if form.encoder == "gif" else None
        self._stays: dict[int, int] = {}
        self.size_bytes = 0

    def tag(self, tags: Mapping[str, str]) -> None:
        """Tags of this track, before anything is written."""
        self._stream.metadata.update(tags)

    def write(self, frame: Frames, pts: int, stays: int) -> None:
        """frame: uint8 or uint16 RGB (H, W, 3), or uint8 RGBA (H, W, 4)"""
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
            self.size_bytes += packet.size
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
