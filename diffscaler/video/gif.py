"""What GIF needs beyond other formats: a palette per frame, and a comment that FFmpeg does not write."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from diffscaler.media import Frames

COMMENT = b"\x21\xfe"
LOOP = b"\x21\xff\x0bNETSCAPE2.0"


class Palettes:
    """Reduces frames to 256 colours each, chosen for that frame alone, so that memory stays flat."""

    def __init__(self, width: int, height: int, clock: Fraction, alpha: bool = False) -> None:
        """alpha: of pictures with transparency, of which GIF knows all or nothing: half and more hides"""
        self._format = "rgba" if alpha else "rgb24"
        graph = Graph()
        source = graph.add_buffer(width=width, height=height, format=VideoFormat(self._format), time_base=clock)
        split: Any = graph.add("split")
        palette = graph.add("palettegen", f"stats_mode=single:reserve_transparent={int(alpha)}")
        use: Any = graph.add("paletteuse", "new=1:dither=sierra2_4a:alpha_threshold=128")
        sink: Any = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._graph = graph
        self._clock = clock
        self._count = 0

    def apply(self, frame: Frames) -> VideoFrame:
        """uint8 RGB (H, W, 3), or RGBA, -> a "pal8" picture."""
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=self._format)
        picture.pts, picture.time_base = self._count, self._clock
        self._count += 1
        self._graph.push(picture)
        reduced = self._graph.pull()
        assert isinstance(reduced, VideoFrame)
        return reduced


def add_comment(path: Path, text: str) -> None:
    """Put an ASCII comment into a finished GIF, before its first frame.

    A comment behind the last frame would be simpler, but FFmpeg then reports one frame too many.
    Raises OSError when the file is no GIF or the disk is full.
    """
    data = text.encode("ascii")
    blocks = b"".join(bytes((len(part),)) + part for part in (data[at : at + 255] for at in range(0, len(data), 255)))
    longer = path.with_name(f"{path.name}.part")
    try:
        with path.open("rb") as source, longer.open("wb") as target:
            target.write(_head(source) + COMMENT + blocks + b"\0")
            shutil.copyfileobj(source, target, 2**20)
        longer.replace(path)
    finally:
        longer.unlink(missing_ok=True)


def _head(file: BinaryIO) -> bytes:
    """Everything before the first frame's own blocks: header, common palette, and the loop count when it follows."""
    head = file.read(13)
    if head[:3] != b"GIF" or len(head) < 13:
        raise OSError("Not a GIF.")
    if head[10] & 0x80:
        head += file.read(3 * 2 ** ((head[10] & 7) + 1))
    loop = file.read(len(LOOP) + 5)
    if loop.startswith(LOOP):
        return head + loop
    file.seek(len(head))
    return head
