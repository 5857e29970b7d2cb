"""Lossless storage of one chunk of frames: x264 in RGB at quantiser 0, with exact times beside it in the same file."""

from __future__ import annotations

import base64
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from diffscaler.errors import MediaError
from diffscaler.media import FrameChunk
from diffscaler.video.storage import writing

SUFFIX = ".mkv"

# qp 0 switches x264 to its lossless mode; ultrafast is 4 times as fast as medium for some 10 % more bytes.
X264_OPTIONS = {"qp": "0", "preset": "ultrafast"}


def write_segment(path: Path, chunk: FrameChunk) -> None:
    """Store a chunk of at least one frame, bit for bit; any size from 1 x 1 on.

    chunk.start is not stored: a segment's place is known by who stored it.
    Raises NotEnoughRoom when the disk is full and MediaError when it cannot be written; leaves no partial file.
    """
    count, height, width = chunk.frames.shape[:3]
    if count < 1 or len(chunk.times) != count:
        raise ValueError(f"A segment needs frames, each with a time: {count} frames, {len(chunk.times)} times.")
    # Container clocks round (MKV to 1 ms), so the stream just counts frames and the times travel as a tag.
    times = base64.b64encode(np.ascontiguousarray(chunk.times, dtype="<f8").tobytes()).decode("ascii")
    with writing(path), av.open(str(path), "w", format="matroska", container_options={"fflags": "+bitexact"}) as output:
        output.metadata["comment"] = times
        stream = output.add_stream("libx264rgb", rate=Fraction(25), options=X264_OPTIONS, width=width, height=height)
        stream.pix_fmt = "rgb24"
        for frame in chunk.frames:
            output.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        output.mux(stream.encode(None))


def read_segment(path: Path, start: int) -> FrameChunk:
    """The chunk that `write_segment` stored: frames and times as they were. start: its first frame's index.

    Raises MediaError when the file is missing, damaged or not a segment.
    """
    try:
        with av.open(str(path), "r", container_options={"protocol_whitelist": "file"}) as container:
            times = _times_from(container.metadata)
            stream = container.streams.video[0]
            frames = np.empty((len(times), stream.codec_context.height, stream.codec_context.width, 3), np.uint8)
            count = 0
            for frame in container.decode(stream):
                frames[count] = frame.to_ndarray(format="rgb24")
                if frame.is_corrupt:
                    raise ValueError(f"Frame {count} is corrupt.")
                count += 1
            if count != len(times):
                raise ValueError(f"{count} frames for {len(times)} times.")
    except (av.error.FFmpegError, OSError, ValueError, KeyError, IndexError) as error:
        raise MediaError(
            f"The stored frames in {path.name} are damaged.", "Generate again: this part will be made anew."
        ) from error
    return FrameChunk(frames, start, times)


def _times_from(metadata: dict[str, str]) -> npt.NDArray[np.float64]:
    text = {name.lower(): value for name, value in metadata.items()}["comment"]
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f8").astype(np.float64)
