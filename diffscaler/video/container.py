"""Opening files with FFmpeg, with every way to fail worded for a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from diffscaler.errors import MediaError
from diffscaler.video.sniff import TRY_AGAIN, TRY_VIDEO, head_of, not_what_it_says, refuse_other

MAX_SIDE = 16384

# Playlists and scripts (hls, concat, sdp) are left out: they make FFmpeg open other files and the network.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,av1,obu,ivf,"
    "m4v,mxf,mjpeg,mjpeg_2000,yuv4mpegpipe,nut,dv,rm,swf,wtv,vob,r3d,"
    "mp3,flac,wav,w64,aiff,aac,ac3,eac3,caf,amr,ape,au,dts,tta,wv"
)


def open_media(path: Path) -> InputContainer:
    """Open a media file for reading. Only local files of known kinds are opened, never what a file points to.

    Raises MediaError: missing, empty, text or another kind of file, or cut off before its table of contents.
    """
    head = head_of(path)
    refuse_other(path.name, head)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": DEMUXERS,
        # FFmpeg decodes a few frames while it opens a file: a bomb must fail before that.
        "max_pixels": str(MAX_SIDE * MAX_SIDE),
    }
    try:
        # An absolute path cannot be read as a protocol ("concat:a|b") or an option.
        return av.open(str(path.resolve()), "r", container_options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        raise unreadable(path, head) from error


def unreadable(path: Path, head: bytes) -> MediaError:
    """The sentence for a file that FFmpeg refuses: `head` is its first bytes."""
    name = path.name
    if head[4:8] in (b"ftyp", b"mdat", b"free", b"wide", b"skip", b"moov"):
        return MediaError(f"{name} is cut off: its table of contents is missing.", TRY_AGAIN)
    if head.startswith((b"\x1a\x45\xdf\xa3", b"GIF8", b"RIFF", b"FLV", b"OggS")):
        return MediaError(f"{name} is damaged or cut off: nothing in it can be read.", TRY_AGAIN)
    return not_what_it_says(name, "it starts like no kind of file known here")


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The stream to show: the first real one, not a cover picture.

    Raises MediaError when the file has none, when FFmpeg has no decoder for it, or when it is too large to decode.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        if container.streams.audio:
            raise MediaError(f"{name} has sound but no picture.", TRY_VIDEO)
        raise MediaError(f"{name} holds no picture.", TRY_VIDEO)
    decodable = [stream for stream in streams if _has_decoder(stream)]
    if not decodable:
        raise MediaError(f"{name} uses a video format that cannot be decoded here.", "Convert it to H.264 MP4 first.")
    stream = decodable[0]
    check_size(name, stream.codec_context.width, stream.codec_context.height)
    return stream


def check_size(name: str, width: int, height: int) -> None:
    """Raise MediaError for sizes nothing here can work on: a side over 16384 pixels, or no pixels at all."""
    if max(width, height) > MAX_SIDE:
        raise MediaError(
            f"{name} is too large: {width} x {height} pixels, and the limit is {MAX_SIDE} on a side.",
            "Make it smaller first.",
        )
    if min(width, height) < 1:
        raise MediaError(f"{name} is damaged: it states no picture size.", TRY_AGAIN)


def _has_decoder(stream: VideoStream) -> bool:
    # PyAV types codec_context as always there; it is None for codecs without a decoder.
    context: Any = stream.codec_context
    return bool(context)
