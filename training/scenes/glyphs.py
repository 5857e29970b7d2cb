"""Emoji glyphs as sprites."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

#: Noto Color Emoji holds bitmaps of exactly this size; Pillow refuses any other.
BITMAP_SIZE = 109

FONT_PATHS = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
    "/usr/local/share/fonts/NotoColorEmoji.ttf",
)


def find_font() -> Path:
    """The Noto Color Emoji font. $NOTO_COLOR_EMOJI wins over the usual places. Raises FileNotFoundError."""
    for path in (os.environ.get("NOTO_COLOR_EMOJI", ""), *FONT_PATHS):
        if path and Path(path).is_file():
            return Path(path)
    raise FileNotFoundError("The Noto Color Emoji font is not installed (Debian, Ubuntu: fonts-noto-color-emoji).")


@lru_cache(maxsize=128)
def glyph(text: str, tint: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)) -> np.ndarray:
    """A glyph cut to what is drawn: uint8 RGBA (h, w, 4), colour multiplied by alpha.

    tint: (saturation, r, g, b) factors. The result is shared: do not write to it.
    """
    font = ImageFont.truetype(str(find_font()), BITMAP_SIZE)
    image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((10, 10), text, font=font, embedded_color=True)
    rgba = np.asarray(image.crop(image.getbbox()), np.float32)
    alpha = rgba[..., 3:] / 255
    colour = rgba[..., :3]
    grey = colour.mean(axis=-1, keepdims=True)
    colour = np.clip((grey + (colour - grey) * tint[0]) * np.asarray(tint[1:], np.float32), 0, 255)
    return np.concatenate([colour * alpha, alpha * 255], axis=-1).round().astype(np.uint8)


def paste(
    canvas: np.ndarray,
    sprite: np.ndarray,
    x: float,
    y: float,
    height: float,
    flip: bool = False,
    angle: float = 0.0,
    squash: float = 1.0,
    shade: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Draw a sprite with its bottom centre at (x, y) and return where it landed.

    canvas: uint8 RGB (H, W, 3), changed in place; sprite: premultiplied RGBA as `glyph` gives it
    height: drawn height in pixels before `squash` (vertical factor); angle: degrees, positive turns counter-clockwise
    flip mirrors the sprite; shade multiplies its colours. Returns float32 alpha (H, W), 0..1.
    """
    h, w = sprite.shape[:2]
    scale = height / h
    mirror = -1.0 if flip else 1.0
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    sx, sy = scale * mirror * (2.0 - squash) ** 0.5, scale * squash
    linear = np.array([[cos * sx, sin * sy], [-sin * sx, cos * sy]], np.float64)
    matrix = np.column_stack([linear, np.array([x, y]) - linear @ np.array([w / 2, h])])
    size = (canvas.shape[1], canvas.shape[0])
    warped = cv2.warpAffine(sprite, matrix, size, flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    alpha = warped[..., 3].astype(np.float32) / 255
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if len(rows):
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        colour = warped[box][..., :3] * np.asarray(shade, np.float32)
        canvas[box] = (canvas[box] * (1 - alpha[box][..., None]) + colour).clip(0, 255).astype(np.uint8)
    return alpha
