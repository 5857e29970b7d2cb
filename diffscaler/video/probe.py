"""What is in a media file: exact counts and times, the picture as shown, and everything else worth keeping."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image
from pydantic import BaseModel, ConfigDict

from diffscaler.media import ClipMeta, Rate
from diffscaler.video import pictures
from diffscaler.video.alpha import picture_alpha, video_alpha
from diffscaler.video.colour import MATRIX_NAMES, PRIMARIES_NAMES, RANGE_NAMES, TRANSFER_NAMES
from diffscaler.video.container import check_size, open_media, video_stream
from diffscaler.video.manifest import IMAGE_DESCRIPTION, manifest_from_text, split_metadata
from diffscaler.video.orient import aspect_of, orientation_of, shown_size
from diffscaler.video.sniff import head_of, is_picture
from diffscaler.video.timeline import codec_name, no_frames, read_timeline


class AudioInfo(BaseModel):
    """One sound track. start_s: seconds after the first frame (below 0: before it); duration_s: 0 where unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str
    sample_rate: int
    channels: int
    language: str | None = None
    title: str | None = None
    start_s: float = 0.0
    duration_s: float = 0.0


class MediaInfo(BaseModel):
    """Facts about a media file.

    width, height: pixels as shown (upright, square pixels); rotation: counter-clockwise degrees that were applied for
    that, 0, 90, 180 or 270; mirrored: flipped left and right after turning; sample_aspect: of one stored pixel
    num_frames: exact; fps: average; vfr: times are not multiples of 1 / fps
    duration_s: from the first frame's start to the last one's end; start_s: the first frame on the container's clock
    primaries, transfer, matrix, color_range: FFmpeg's names, "" where the file states none
    timecode, reel: of the timecode track, "" without one
    alpha: it has transparency
    metadata: tags, names in lower case, without our manifest; manifest: how the studio made this file, or None
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    height: int
    rotation: int = 0
    mirrored: bool = False
    sample_aspect: Rate = Fraction(1)
    fps: Rate
    vfr: bool = False
    num_frames: int
    duration_s: float
    start_s: float = 0.0
    container: str
    codec: str
    pix_fmt: str = ""
    bit_depth: int = 8
    primaries: str = ""
    transfer: str = ""
    matrix: str = ""
    color_range: str = ""
    audio: tuple[AudioInfo, ...] = ()
    subtitles: int = 0
    chapters: int = 0
    timecode: str = ""
    reel: str = ""
    metadata: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    is_image: bool = False
    alpha: bool = False
    size_bytes: int = 0


def probe(path: Path) -> MediaInfo:
    """Read a video, a picture, or a folder of pictures.

    Raises MediaError, naming the file without its folder: missing, empty, not a video, sound only, cut off, damaged,
    no frames, or a side over 16384 pixels (known from the header, before any picture is decoded).
    """
    path = Path(path)
    if path.is_dir():
        return _probe_folder(path)
    head = head_of(path)
    return _probe_picture(path) if is_picture(head) else _probe_video(path)


def meta_of(info: MediaInfo, sound: str | None) -> ClipMeta:
    """The facts of an imported file as a clip. sound: SHA-256 of the file whose sound belongs to it, or None."""
    return ClipMeta(
        kind="file",
        width=info.width,
        height=info.height,
        num_frames=info.num_frames,
        fps=info.fps,
        vfr=info.vfr,
        duration_s=info.duration_s,
        sound=sound,
        still=info.is_image,
        alpha=info.alpha,
    )


def _probe_video(path: Path) -> MediaInfo:
    with open_media(path) as container:
        stream = video_stream(container, path.name)
        first = first_frame(container, stream, path.name)
        orientation = orientation_of(first)
        aspect = aspect_of(stream.sample_aspect_ratio)
        width, height = shown_size(first.width, first.height, aspect, orientation)
        check_size(path.name, width, height)
        timeline = read_timeline(path)
        metadata, manifest = split_metadata(dict(container.metadata))
        return MediaInfo(
            width=width,
            height=height,
            rotation=orientation.quarter_turns * 90,
            mirrored=orientation.mirrored,
            sample_aspect=aspect,
            fps=timeline.fps,
            vfr=timeline.vfr,
            num_frames=len(timeline),
            duration_s=timeline.duration_s,
            start_s=float(timeline.start_s),
            container=container.format.name,
            codec=codec_name(stream),
            pix_fmt=first.format.name,
            bit_depth=max((part.bits for part in first.format.components), default=8),
            primaries=PRIMARIES_NAMES.get(first.color_primaries, str(first.color_primaries)),
            transfer=TRANSFER_NAMES.get(first.color_trc, str(first.color_trc)),
            matrix=MATRIX_NAMES.get(first.colorspace, str(first.colorspace)),
            color_range=RANGE_NAMES.get(first.color_range, ""),
            audio=tuple(_audio_info(track, timeline.start_s) for track in container.streams.audio),
            subtitles=len(container.streams.subtitles),
            chapters=len(container.chapters()),
            timecode=_track_tag(container, "timecode"),
            reel=_track_tag(container, "reel_name"),
            metadata=metadata,
            manifest=manifest,
            is_image=container.format.name == "gif" and len(timeline) == 1,
            alpha=video_alpha(stream, first),
            size_bytes=path.stat().st_size,
        )


def first_frame(container: InputContainer, stream: VideoStream, name: str) -> VideoFrame:
    """Decode the first frame. Raises MediaError when there is none, or when it is larger than its header said."""
    try:
        for frame in container.decode(stream):
            check_size(name, frame.width, frame.height)
            return frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise no_frames(name) from error
    raise no_frames(name)


def _track_tag(container: InputContainer, name: str) -> str:
    """A tag that stands with a track or, in MXF and WebM, with the file."""
    for tags in (*(stream.metadata for stream in container.streams), container.metadata):
        for key, value in tags.items():
            if key.lower() == name:
                return value
    return ""


def _audio_info(track: AudioStream, video_start: Fraction) -> AudioInfo:
    time_base = track.time_base or Fraction(0)
    # PyAV types codec_context as always there; it is None for codecs without a decoder.
    context: Any = track.codec_context
    return AudioInfo(
        codec=context.codec.canonical_name if context else "unknown",
        sample_rate=context.sample_rate if context else 0,
        channels=context.channels if context else 0,
        language=track.language,
        title=track.metadata.get("title"),
        start_s=float((track.start_time or 0) * time_base - video_start),
        duration_s=float((track.duration or 0) * time_base) or _stated_duration_s(track.metadata),
    )


def _stated_duration_s(tags: dict[str, str]) -> float:
    """Seconds from Matroska's DURATION tag, "00:00:02.005000000"; 0 without one."""
    parts = tags.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return 0.0
    return hours * 3600 + minutes * 60 + seconds


def _probe_picture(path: Path) -> MediaInfo:
    with pictures.open_picture(path) as picture:
        width, height = pictures.upright_size(picture)
        durations = pictures.animation_ms(picture, path)
        total = sum(durations) / 1000
        alpha = _picture_alpha(picture, path)
        if not durations:
            pictures.check_pixels(picture, path)
        even = len(set(durations)) == 1
        return MediaInfo(
            width=width,
            height=height,
            fps=Fraction(len(durations) * 1000, sum(durations)) if durations else pictures.PICTURE_RATE,
            vfr=bool(durations) and not even,
            num_frames=max(1, len(durations)),
            duration_s=total if durations else float(1 / pictures.PICTURE_RATE),
            container=(picture.format or "").lower(),
            codec=(picture.format or "").lower(),
            pix_fmt=picture.mode,
            bit_depth=16 if picture.mode.startswith("I") else 8,
            manifest=_picture_manifest(picture),
            is_image=not durations,
            alpha=alpha,
            size_bytes=path.stat().st_size,
        )


def _picture_alpha(picture: Image.Image, path: Path) -> bool:
    try:
        return picture_alpha(picture)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError) as error:
        raise pictures.broken(path) from error


def _picture_manifest(picture: Image.Image) -> dict[str, Any] | None:
    for text in (picture.info.get("comment"), pictures.exif_value(picture, IMAGE_DESCRIPTION)):
        if isinstance(text, (str, bytes)):
            found = manifest_from_text(text.decode("ascii", "replace") if isinstance(text, bytes) else text)
            if found is not None:
                return found
    return None


def _probe_folder(path: Path) -> MediaInfo:
    paths = pictures.pictures_in(path)
    with pictures.open_picture(paths[0]) as picture:
        width, height = pictures.upright_size(picture)
        return MediaInfo(
            width=width,
            height=height,
            fps=pictures.FOLDER_RATE,
            num_frames=len(paths),
            duration_s=float(len(paths) / pictures.FOLDER_RATE),
            container="folder",
            codec=(picture.format or "").lower(),
            pix_fmt=picture.mode,
            alpha=_picture_alpha(picture, paths[0]),
            size_bytes=sum(item.stat().st_size for item in paths),
        )
