"""A clip as numbered PNG pictures in one ZIP, with how it was made beside them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from PIL import Image

from diffscaler.errors import MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames
from diffscaler.video.manifest import manifest_from_text, manifest_text
from diffscaler.video.sniff import TRY_AGAIN

MANIFEST, TIMES = "manifest.json", "frames.json"
# ZIPs store a date for each entry; a fixed one gives the same bytes for the same frames.
NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_sequence(
    path: Path,
    meta: ClipMeta,
    chunks: Iterable[FrameChunk],
    manifest: dict[str, Any],
    on_frames: Callable[[int], None] | None = None,
) -> int:
    """Write frame_000000.png and so on, manifest.json and frames.json (rate, and times where they are uneven).

    Frames of uint8 become 8-bit pictures, with transparency where they are RGBA, frames of uint16
    16-bit ones. Returns how many there are.
    Raises MediaError when there are none.
    """
    count, times = 0, list[float]()
    encoder: VideoCodecContext | None = None
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as out:
        for chunk in chunks:
            for frame in chunk.frames:
                encoder = encoder or _encoder(frame)
                out.writestr(_entry(f"frame_{count:06d}.png"), _png(encoder, frame, count))
                count += 1
            times += chunk.times.tolist()
            if on_frames is not None:
                on_frames(count)
        if not count:
            raise MediaError("There are no frames to write.", "Make the clip again.")
        facts = {"fps": str(meta.fps), "frames": count} | ({"times_s": times} if meta.vfr else {})
        out.writestr(_entry(TIMES), json.dumps(facts))
        out.writestr(_entry(MANIFEST), manifest_text(manifest))
    return count


def read_manifest(path: Path) -> dict[str, Any] | None:
    """How a sequence was made, or None where the ZIP does not say. Raises MediaError for a damaged one."""
    try:
        with zipfile.ZipFile(path) as file:
            return manifest_from_text(file.read(MANIFEST).decode("ascii", "replace"))
    except KeyError:
        return None
    except (zipfile.BadZipFile, OSError) as error:
        raise MediaError(f"{path.name} is damaged or no ZIP.", TRY_AGAIN) from error


def read_picture(path: Path, index: int) -> Frames:
    """One picture of a sequence as uint8 RGB (H, W, 3). Raises MediaError."""
    try:
        with zipfile.ZipFile(path) as file, Image.open(io.BytesIO(file.read(f"frame_{index:06d}.png"))) as picture:
            return np.asarray(picture.convert("RGB"))
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise MediaError(f"{path.name} is damaged: frame {index + 1} cannot be read.", TRY_AGAIN) from error


def unpack(path: Path, folder: Path) -> None:
    """Write a sequence's pictures and manifest into a new or empty folder. Raises OSError."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            (folder / Path(name).name).write_bytes(file.read(name))


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, NO_DATE)


def _encoder(frame: Frames) -> VideoCodecContext:
    encoder = VideoCodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = frame.shape[:2]
    encoder.pix_fmt = eight_bits(frame) if frame.dtype == np.uint8 else "rgb48be"
    encoder.framerate = 25  # asked for by FFmpeg, written nowhere
    encoder.thread_count = 1  # with more, pictures come out later than they went in
    encoder.options = {"flags": "+bitexact"}
    return encoder


def eight_bits(frame: Frames) -> str:
    """FFmpeg's name for uint8 RGB or RGBA."""
    return "rgba" if frame.shape[2] == 4 else "rgb24"


def _png(encoder: VideoCodecContext, frame: Frames, index: int) -> bytes:
    if frame.dtype == np.uint8:
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=eight_bits(frame))
    else:
        # White of a PNG is 65535, white here DEEP_WHITE.
        full = np.minimum(frame.astype(np.uint32) * 257 // 256, 65535).astype(np.uint16)
        picture = VideoFrame.from_ndarray(full, format="rgb48be")
    picture.pts = index
    try:
        return b"".join(bytes(packet) for packet in encoder.encode(picture))
    except av.error.FFmpegError as error:
        raise MediaError("A picture could not be written.", "Try another format.") from error
