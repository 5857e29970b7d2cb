"""From a decoded frame, whatever its pixel format, to RGB of 8 or 16 bits; and from RGB to what an encoder takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from diffscaler.media import Frames

# Without these flags swscale takes shortcuts that are off by several levels and differ between CPU types.
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
EXACT = SCALING | Interpolation.FULL_CHR_H_INP

# swscale counts 16 bits as 256 times 8 bits: white is here, and 10 bits come back to themselves exactly.
DEEP_WHITE = 255 * 256

BT709, BT470BG, UNSPECIFIED, BT2020 = 1, 5, 2, 9

# AVColorSpace (what files state) -> swscale's name for the matrix.
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

MATRIX_NAMES = {0: "rgb", 1: "bt709", 2: "", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
                9: "bt2020nc", 10: "bt2020c"}  # fmt: skip
PRIMARIES_NAMES = {1: "bt709", 2: "", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
                   9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432"}  # fmt: skip
TRANSFER_NAMES = {1: "bt709", 2: "", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
                  13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
                  18: "arib-std-b67"}  # fmt: skip
RANGE_NAMES = {0: "", 1: "tv", 2: "pc"}


def matrix_of(stated: int, height: int) -> int:
    """swscale's matrix for a stated AVColorSpace; unstated ones are BT.601 below 720 rows and BT.709 from there on."""
    return MATRICES.get(stated, BT470BG if height < 720 else BT709)


class RgbConverter:
    """Turns decoded frames into RGB arrays; keeps one scaler, so use one per stream and thread."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def alpha(self, frame: VideoFrame, width: int, height: int) -> Frames:
        """uint8 (height, width): the alpha of a frame, white where it has none."""
        if not has_alpha(frame):
            return np.full((height, width), 255, np.uint8)
        scaled = self._scaler.reformat(frame, width, height, "rgba", interpolation=EXACT, threads=1)
        return np.ascontiguousarray(np.asarray(scaled.to_ndarray(), dtype=np.uint8)[..., 3])

    def convert(
        self, frame: VideoFrame, width: int, height: int, deep: bool = False, scaling: Interpolation = EXACT
    ) -> Frames:
        """uint8 RGB (height, width, 3) of a frame, scaled when the size differs; uint16 when `deep`, DEEP_WHITE white.

        Honours the frame's own matrix and range. Alpha is composited over black. scaling: swscale's method and flags
        """
        alpha = has_alpha(frame)
        name = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
        scaled = self._scaler.reformat(
            frame,
            width,
            height,
            name,
            src_colorspace=None if frame.format.is_rgb else matrix_of(frame.colorspace, frame.height),
            interpolation=scaling,
            src_color_range=frame.color_range or (ColorRange.JPEG if _full_by_nature(frame) else ColorRange.MPEG),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        pixels: Frames = np.asarray(scaled.to_ndarray(), dtype=np.uint16 if deep else np.uint8)
        return over_black(pixels) if alpha else pixels


def has_alpha(frame: VideoFrame) -> bool:
    """Whether a frame carries transparency (palettes do: GIF keeps its see-through colour there)."""
    return frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)


def over_black(rgba: Frames) -> Frames:
    """uint8 or uint16 (H, W, 4) straight alpha -> RGB (H, W, 3) over black, rounded to nearest."""
    full = 255 if rgba.dtype == np.uint8 else DEEP_WHITE
    alpha = np.minimum(rgba[..., 3:], full).astype(np.uint16 if full == 255 else np.uint32)
    if alpha.min(initial=full) == full:
        return np.ascontiguousarray(rgba[..., :3])
    blended: npt.NDArray[np.integer[Any]] = (rgba[..., :3] * alpha + full // 2) // full
    return blended.astype(rgba.dtype)


def _full_by_nature(frame: VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.name.startswith(("yuvj", "gray", "mono", "pal8"))


def to_encoder(scaler: VideoReformatter, frame: Frames, pix_fmt: str, matrix: int) -> VideoFrame:
    """A frame for an encoder.

    frame: uint8 or uint16 RGB (H, W, 3), uint8 RGBA (H, W, 4) for formats with alpha
    matrix: swscale's number, ignored for RGB formats
    YUV comes out in limited range.
    """
    name = "rgba" if frame.shape[2] == 4 else "rgb24" if frame.dtype == np.uint8 else "rgb48le"
    source = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=name)
    if pix_fmt == "rgb24":
        return source
    return scaler.reformat(
        source,
        format=pix_fmt,
        dst_colorspace=matrix,
        interpolation=EXACT,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )
