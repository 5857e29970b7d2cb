"""Any clip as chunks of upright RGB frames with exact times, from any frame on, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av.error
import numpy as np
import numpy.typing as npt
from av.codec.context import CodecContext, ThreadType
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from diffscaler.errors import MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames
from diffscaler.video import pictures
from diffscaler.video.alpha import VP9_DECODER, grey, vp9_alpha
from diffscaler.video.colour import RgbConverter
from diffscaler.video.container import check_size, open_media, video_stream
from diffscaler.video.orient import aspect_of, orientation_of, square_size
from diffscaler.video.probe import first_frame
from diffscaler.video.sniff import head_of, is_picture
from diffscaler.video.timeline import Timeline, damaged, read_timeline

# FFmpeg holds one picture per decoding thread: a fixed few keep memory flat on large machines.
DECODE_THREADS = 4


def read_frames(
    path: Path, start: int = 0, chunk_frames: int | None = None, *, deep: bool = False, alpha: bool = False
) -> Iterator[FrameChunk]:
    """Frames from index `start` on, as `probe` counts them; nothing when `start` is past the end.

    Every chunk but the last holds `chunk_frames` frames (as many as ClipMeta says when None).
    deep: videos come as uint16, colour.DEEP_WHITE white, so that nothing of 10 or 12 bits is lost; pictures stay uint8
    alpha: the transparency as grey instead of the colours, white where there is none
    Raises MediaError as `probe` does, and for a frame that cannot be decoded, naming it: none is made up or skipped.
    """
    if start < 0 or (chunk_frames is not None and chunk_frames < 1):
        raise ValueError(f"start {start} and chunk_frames {chunk_frames} must be at least 0 and 1.")
    path = Path(path)
    if path.is_dir():
        paths = pictures.pictures_in(path)
        times = np.arange(len(paths), dtype=np.float64) / float(pictures.FOLDER_RATE)
        yield from in_chunks(pictures.folder_frames(paths, start, alpha), times, start, chunk_frames)
    elif is_picture(head_of(path)):
        with pictures.open_picture(path) as picture:
            durations = pictures.animation_ms(picture, path) or [1000]
            frames = pictures.animation_frames(picture, path, start, len(durations), alpha)
            yield from in_chunks(frames, pictures.animation_times(durations), start, chunk_frames)
    else:
        timeline = read_timeline(path)
        if start < len(timeline):
            yield from in_chunks(_video_frames(path, timeline, start, deep, alpha), timeline.times, start, chunk_frames)


def in_chunks(
    frames: Iterator[Frames], times: npt.NDArray[np.float64], start: int, chunk_frames: int | None
) -> Iterator[FrameChunk]:
    """Gather single frames, uint8 or uint16 RGB (H, W, 3), into chunks. times: float64, of the whole clip."""
    chunk: Frames | None = None
    filled = 0
    for frame in frames:
        if chunk is None:
            height, width = frame.shape[:2]
            size = chunk_frames or ClipMeta(kind="file", width=width, height=height).chunk_frames
            # The consumer may keep a chunk, so each one has memory of its own.
            chunk = np.empty((min(size, len(times) - start), height, width, 3), frame.dtype)
        chunk[filled] = frame
        filled += 1
        if filled == len(chunk):
            yield FrameChunk(chunk, start, times[start : start + filled])
            start, chunk, filled = start + filled, None, 0
    if chunk is not None:
        yield FrameChunk(chunk[:filled], start, times[start : start + filled])


def _video_frames(path: Path, timeline: Timeline, start: int, deep: bool, alpha: bool) -> Iterator[Frames]:
    """Upright frames from `start` to the end."""
    with open_media(path) as container:
        stream = video_stream(container, path.name)
        first = first_frame(container, stream, path.name)
        # The first frame decides for all: a stream may change size midway, a clip may not.
        orientation = orientation_of(first)
        width, height = square_size(first.width, first.height, aspect_of(stream.sample_aspect_ratio))
        check_size(path.name, width, height)
    converter = RgbConverter()
    for frame in decoded_frames(path, timeline, start):
        part = grey(converter.alpha(frame, width, height)) if alpha else converter.convert(frame, width, height, deep)
        yield orientation.apply(part)


def decoded_frames(path: Path, timeline: Timeline, start: int) -> Iterator[VideoFrame]:
    """Frames from `start` on as FFmpeg decodes them, neither converted nor turned upright.

    They are sought where that lands right, read from the beginning otherwise. Raises MediaError, see `read_frames`.
    """
    for seek_to in _seek_points(timeline, start):
        with open_media(path) as container:
            stream = video_stream(container, path.name)
            stream.thread_type = ThreadType.AUTO
            stream.codec_context.thread_count = DECODE_THREADS
            if seek_to is not None:
                try:
                    # x264 states its version in the first frame only, and FFmpeg mends old versions' 4:4:4 by it.
                    first_frame(container, stream, path.name)
                    container.seek(seek_to, stream=stream)
                except (av.error.FFmpegError, OSError):
                    continue
            frames = _matching(container, stream, path.name, timeline, start)
            try:
                first = next(frames)
            except MediaError:
                if seek_to is None:
                    raise
                continue  # decoding from the beginning decides
            yield first
            yield from frames
            return


def _seek_points(timeline: Timeline, start: int) -> list[int | None]:
    """Where to begin, best first; None is the beginning of the file.

    A frame shown at or after a key frame needs nothing from before it. Containers index their key frames by pts (MKV)
    or by dts (MP4), so both are tried; `_matching` notices a wrong landing.
    """
    target = int(timeline.pts[start])
    earlier = [key for key in timeline.keys if key[0] <= target]
    if not earlier or earlier[-1][0] <= int(timeline.pts[0]):
        return [None]
    return [*dict.fromkeys(earlier[-1]), None]


def _matching(
    container: InputContainer, stream: VideoStream, name: str, timeline: Timeline, start: int
) -> Iterator[VideoFrame]:
    """Frames `start`, `start + 1`, ... and no others. Raises MediaError at the first one missing or corrupt."""
    wanted = start
    skipped = 0
    for frame in _decode_all(container, stream):
        if wanted == len(timeline):
            return
        if timeline.counted:
            skipped += 1
            if skipped <= start:
                continue
        elif frame.pts is None or frame.pts < int(timeline.pts[wanted]):
            continue
        elif frame.pts > int(timeline.pts[wanted]):
            break
        if frame.is_corrupt:
            break
        yield frame
        wanted += 1
    if wanted < len(timeline):
        raise damaged(name, wanted, float(timeline.times[wanted]))


def _decode_all(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame the decoder gives, in order. Errors are passed over: which frame is lost shows by its absence."""
    packets = container.demux(stream)
    decoder = CodecContext.create(VP9_DECODER, "r") if vp9_alpha(stream) else None
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            return
        if packet is None:
            return
        try:
            frames = packet.decode() if decoder is None else decoder.decode(packet)
        except (av.error.FFmpegError, OSError):
            continue
        yield from frames
