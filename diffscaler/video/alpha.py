"""Transparency: which files have some, and how it goes along.

Colours travel over black, that is multiplied by their alpha (Porter and Duff 1984), as everything that resizes or moves
pictures wants them; the alpha goes beside them as a grey clip of its own. An encoder is given both as straight RGBA.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from diffscaler.media import FrameChunk, Frames
from diffscaler.video.colour import has_alpha

#: FFmpeg's own VP9 decoder leaves alpha out; this one reads it.
VP9_DECODER = "libvpx-vp9"


def vp9_alpha(stream: VideoStream) -> bool:
    """Whether a VP9 stream says that alpha lies beside it (WebM's AlphaMode)."""
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    context: Any = stream.codec_context
    return bool(context) and context.name.startswith(("vp9", "libvpx-vp9")) and tags.get("alpha_mode") == "1"


def video_alpha(stream: VideoStream, first: VideoFrame) -> bool:
    """Whether a video has transparency.

    GIF and animated PNG are decoded with alpha whether they have any: their first frame decides.
    """
    if vp9_alpha(stream):
        return True
    if not has_alpha(first):
        return False
    context: Any = stream.codec_context
    if context is not None and context.name in ("gif", "apng"):
        return bool(first.reformat(format="rgba").to_ndarray()[..., 3].min() < 255)
    return True


def picture_alpha(picture: Image.Image) -> bool:
    """Whether an open picture has a see-through pixel. Decodes it only where it may. Raises as Pillow does."""
    if not sees_through(picture):
        return False
    return bool(np.asarray(picture.convert("RGBA"))[..., 3].min(initial=255) < 255)


def sees_through(picture: Image.Image) -> bool:
    """Whether an open picture's format has transparency."""
    return "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La")


def grey(alpha: Frames) -> Frames:
    """uint8 (H, W) -> RGB (H, W, 3)."""
    return np.repeat(alpha[..., None], 3, axis=-1)


def with_alpha(colours: Iterable[FrameChunk], alphas: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
    """Colours over black and grey alphas as straight RGBA, uint8 (N, H, W, 4); chunks are those of the colours.

    Where there are fewer alphas than colours, the last one stays.
    """
    each = (frame for chunk in alphas for frame in chunk.frames)
    alpha: Frames | None = None
    for chunk in colours:
        made: list[Frames] = []
        for frame in chunk.frames:
            alpha = next(each, alpha)
            assert alpha is not None
            made.append(straight(frame, alpha[..., 0]))
        yield FrameChunk(np.stack(made), chunk.start, chunk.times)


def straight(frame: Frames, alpha: Frames) -> Frames:
    """RGB over black, uint8 (H, W, 3), and alpha (H, W) -> RGBA (H, W, 4) whose colours are as bright as they were."""
    full = np.maximum(alpha, 1).astype(np.uint16)[..., None]
    colours = np.minimum((frame.astype(np.uint16) * 255 + full // 2) // full, 255).astype(np.uint8)
    return np.concatenate([colours, alpha[..., None]], axis=-1)
