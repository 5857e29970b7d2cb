"""How a chunk lies on disk: frames as lossless video, tensors as safetensors, finished files as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from diffscaler.media import Chunk, ClipMeta, FileChunk, FrameChunk, TensorChunk

SUFFIX = {FrameChunk: ".mkv", TensorChunk: ".safetensors"}


def write(path: Path, chunk: Chunk) -> None:
    """Write one chunk to `path`. Raises OSError when the disk is full."""
    if isinstance(chunk, FrameChunk):
        from diffscaler.video.segments import write_segment

        write_segment(path, chunk)
    elif isinstance(chunk, TensorChunk):
        from safetensors.numpy import save_file

        save_file(chunk.tensors, path)
    else:
        shutil.move(chunk.path, path)


def read(path: Path, meta: ClipMeta, start: int, stop: int, since: int) -> Iterator[Chunk]:
    """Read back what lies at `path`: frames [start, stop) of a clip, those before frame `since` left out.

    A media file is decoded chunk by chunk; a tensor segment is never cut.
    """
    if meta.kind == "file":
        from diffscaler.video.reader import read_frames

        yield from read_frames(path, start=since, chunk_frames=meta.chunk_frames)
    elif meta.kind == "frames":
        from diffscaler.video.segments import read_segment

        yield read_segment(path, start).since(since)
    else:
        from safetensors.numpy import load_file

        yield TensorChunk(load_file(path), start, stop - start)


__all__ = ["SUFFIX", "FileChunk", "read", "write"]
