"""What flows between stages: chunks of frames or tensors, and the facts that hold for a whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

Frames: TypeAlias = npt.NDArray[np.uint8]

Rate = Annotated[
    Fraction, BeforeValidator(lambda value: Fraction(value)), PlainSerializer(lambda value: str(value), return_type=str)
]

Kind = Literal["frames", "tensors", "file"]

CHUNK_BYTES = 32 * 2**20
CHUNK_FRAMES = 16


class ClipMeta(BaseModel):
    """Facts about a clip that are known before its first frame.

    kind: "frames" (lossless segments), "tensors" (safetensors segments) or "file" (one media file, readable as frames)
    width, height: pixels as shown (upright, square pixels); 0 for tensors
    num_frames: exact; fps: average frames per second; vfr: frame times are not multiples of 1 / fps
    duration_s: seconds from the first frame's start to the last frame's end
    sound: SHA-256 of the imported file whose audio, subtitles and chapters belong to this clip, or None
    still: the clip is one picture, to be delivered as a picture
    alpha: files: has transparency; frames are read over black
    notes: what the page and the file must tell, e.g. "built-in preview engine", "ran on the CPU"
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    width: int = 0
    height: int = 0
    num_frames: int = 0
    fps: Rate = Fraction(8)
    vfr: bool = False
    duration_s: float = 0.0
    sound: str | None = None
    still: bool = False
    alpha: bool = False
    notes: tuple[str, ...] = ()

    def change(self, **values: Any) -> ClipMeta:
        """A copy with `values` replaced, validated again."""
        return ClipMeta(**{**self.model_dump(), **values})

    def data(self) -> ClipMeta:
        """The facts of tensors that say something about each frame of this clip."""
        return ClipMeta(
            kind="tensors", num_frames=self.num_frames, fps=self.fps, vfr=self.vfr, duration_s=self.duration_s
        )

    @property
    def chunk_frames(self) -> int:
        """Frames in one chunk: at most 16, and at most 32 MiB of RGB, so that memory stays flat at any size."""
        frame_bytes = max(1, self.width * self.height * 3)
        return int(min(CHUNK_FRAMES, max(1, CHUNK_BYTES // frame_bytes)))


@dataclass(frozen=True)
class FrameChunk:
    """Consecutive frames of a clip.

    frames: uint8 RGB (N, H, W, 3), uint16 only on the way from a deep file to a deep encoder,
        RGBA (N, H, W, 4) only on the way to an encoder that keeps transparency
    start: index of the first frame in its clip
    times: float64 (N,), seconds at which each frame appears, the clip's first frame at 0
    """

    frames: Frames
    start: int
    times: npt.NDArray[np.float64]

    @property
    def stop(self) -> int:
        return self.start + len(self.frames)

    def since(self, start: int) -> FrameChunk:
        """The part of this chunk from frame `start` on (itself when it starts there or later)."""
        cut = max(0, start - self.start)
        return self if cut == 0 else FrameChunk(self.frames[cut:], self.start + cut, self.times[cut:])


def gathered(frames: Iterator[tuple[Frames, float]], start: int, most: int) -> Iterator[FrameChunk]:
    """Frames with their times in seconds as chunks of at most `most` frames; start: index of the first in its clip."""
    pictures: list[Frames] = []
    times: list[float] = []
    for frame, time in frames:
        pictures.append(frame)
        times.append(time)
        if len(pictures) == most:
            yield FrameChunk(np.stack(pictures), start, np.array(times))
            start += most
            pictures, times = [], []
    if pictures:
        yield FrameChunk(np.stack(pictures), start, np.array(times))


@dataclass(frozen=True)
class TensorChunk:
    """Named arrays that stand for frames [start, start + count): latents, text embeddings, face landmarks."""

    tensors: dict[str, npt.NDArray[Any]]
    start: int = 0
    count: int = 1

    @property
    def stop(self) -> int:
        return self.start + self.count


@dataclass(frozen=True)
class FileChunk:
    """A finished media file, to be moved into the library. `path` lies in the stage's scratch folder."""

    path: Path
    count: int
    start: int = 0

    @property
    def stop(self) -> int:
        return self.start + self.count


Chunk: TypeAlias = FrameChunk | TensorChunk | FileChunk


@dataclass(frozen=True)
class Again:
    """Chunks that can be read more than once: `begin` starts over."""

    begin: Callable[[], Iterator[Any]]

    def __iter__(self) -> Iterator[Any]:
        return self.begin()


@dataclass(frozen=True)
class Stream:
    """A clip on its way into a stage: its facts, and its chunks in order.

    They are read once; a stage that joins may read them again from the start.
    """

    meta: ClipMeta
    chunks: Any = field(repr=False)  # Iterator[Chunk]; Any spares every stage a cast

    def __iter__(self) -> Any:
        return iter(self.chunks)
