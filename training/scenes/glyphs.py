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

#: Hue in degrees of a paint; white and black keep the shading and drop the hue.
HUES = {"red": 2.0, "yellow": 48.0, "green": 130.0, "blue": 215.0}

#: Paint covers pixels more colourful than this (HSV saturation, 0..1): windows, tyres and outlines stay.
PAINTED_FROM = 0.30

#: Animals' coats are recoloured everywhere, eyes and noses excepted: they are darker than this (HSV value, 0..1).
COAT_FROM = 0.30

#: What lies between the viewer and what is far, in fog.
HAZE = np.array((208, 213, 218), np.float32)


class FontMissing(FileNotFoundError):
    """The font that scenes are drawn with is not installed."""


def find_font() -> Path:
    """The Noto Color Emoji font. $NOTO_COLOR_EMOJI wins over the usual places. Raises FontMissing."""
    for path in (os.environ.get("NOTO_COLOR_EMOJI", ""), *FONT_PATHS):
        if path and Path(path).is_file():
            return Path(path)
    raise FontMissing("The Noto Color Emoji font is not installed (Debian, Ubuntu: fonts-noto-color-emoji).")


@lru_cache(maxsize=256)
def glyph(text: str, colour: str = "", coat: bool = False) -> np.ndarray:
    """A glyph cut to what is drawn: uint8 RGBA (h, w, 4), colour multiplied by alpha.

    colour: "" as it is, or a name in HUES, "white" or "black"; coat: recolour all of it, not its painted parts only.
    The result is shared: do not write to it.
    """
    font = ImageFont.truetype(str(find_font()), BITMAP_SIZE)
    image = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((10, 10), text, font=font, embedded_color=True)
    rgba = np.asarray(image.crop(image.getbbox()), np.float32)
    alpha = rgba[..., 3:] / 255
    rgb = _recoloured(rgba[..., :3], colour, coat) if colour else rgba[..., :3]
    return np.concatenate([rgb * alpha, alpha * 255], axis=-1).round().astype(np.uint8)


def _recoloured(rgb: np.ndarray, colour: str, coat: bool) -> np.ndarray:
    """float32 RGB (h, w, 3), 0..255, in another colour; light and shade stay."""
    hsv = cv2.cvtColor(np.ascontiguousarray(rgb / 255), cv2.COLOR_RGB2HSV)
    where = (hsv[..., 2] > COAT_FROM) if coat else (hsv[..., 1] > PAINTED_FROM)
    new = hsv.copy()
    if colour in HUES:
        new[..., 0] = HUES[colour]
        new[..., 1] = np.maximum(new[..., 1], 0.75)
    else:
        new[..., 1] *= 0.08
        new[..., 2] = 0.62 + 0.38 * new[..., 2] if colour == "white" else 0.10 + 0.22 * new[..., 2]
    return np.where(where[..., None], cv2.cvtColor(new, cv2.COLOR_HSV2RGB) * 255, rgb)


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
    haze: float = 0.0,
    mask: np.ndarray | None = None,
) -> None:
    """Draw a sprite with its bottom centre at (x, y).

    canvas: uint8 RGB (H, W, 3), or RGBA with colour multiplied by alpha, changed in place
    sprite: premultiplied RGBA as `glyph` gives it
    height: drawn height in pixels before `squash` (vertical factor); angle: degrees, positive turns counter-clockwise
    flip mirrors the sprite; shade multiplies its colours; haze: 0..1, how much fog lies over it
    mask: uint8 (H, W), raised in place to the sprite's alpha where it is drawn
    """
    h, w = sprite.shape[:2]
    scale = height / h
    mirror = -1.0 if flip else 1.0
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    sx, sy = scale * mirror * (2.0 - squash) ** 0.5, scale * squash
    linear = np.array([[cos * sx, sin * sy], [-sin * sx, cos * sy]], np.float64)
    offset = np.array([x, y]) - linear @ np.array([w / 2, h])
    corners = linear @ np.array([[0, w, 0, w], [0, 0, h, h]]) + offset[:, None]
    # Only the sprite's own box is warped: the canvas is many times larger.
    left, top = (max(int(v) - 1, 0) for v in np.floor(corners.min(axis=1)))
    right = min(int(np.ceil(corners[0].max())) + 2, canvas.shape[1])
    bottom = min(int(np.ceil(corners[1].max())) + 2, canvas.shape[0])
    if right <= left or bottom <= top:
        return
    matrix = np.column_stack([linear, offset - (left, top)])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    warped = cv2.warpAffine(sprite, matrix, (right - left, bottom - top), flags=flags).astype(np.float32)
    alpha = warped[..., 3:] / 255
    warped[..., :3] *= np.asarray(shade, np.float32)
    if haze:
        warped[..., :3] = warped[..., :3] * (1 - haze) + HAZE * alpha * haze
    box = np.s_[top:bottom, left:right]
    canvas[box] = (canvas[box] * (1 - alpha) + warped[..., : canvas.shape[2]]).clip(0, 255).astype(np.uint8)
    if mask is not None:
        np.maximum(mask[box], warped[..., 3].astype(np.uint8), out=mask[box])
