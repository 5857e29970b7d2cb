"""Footage with known truth: textures that travel, scenes that differ, pages of writing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diffscaler.media import Frames
from tests.video.make import video

WORDS = (
    "It was a bright cold day in April and the clocks were striking thirteen as the man slipped quickly through the "
    "glass doors though not quickly enough to prevent a swirl of gritty dust from entering along with him"
).split()


def texture(seed: int, height: int, width: int, grain: float = 3.0) -> Frames:
    """A coloured cloud: uint8 RGB (height, width, 3)."""
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.asarray(cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def travelling(seed: int, count: int, speed: float, size: tuple[int, int] = (160, 90), grain: float = 3.0) -> Frames:
    """A texture that moves `speed` pixels a frame to the left: uint8 RGB (count, H, W, 3). size: width, height"""
    wide = texture(seed, size[1], size[0] + int(speed * count) + 8, grain)
    shift = lambda x: cv2.warpAffine(wide, np.array([[1, 0, -x], [0, 1, 0]], np.float32), size, flags=cv2.INTER_CUBIC)  # noqa: E731
    return np.stack([shift(i * speed) for i in range(count)])


def scene(colour: tuple[int, int, int], seed: int, count: int) -> Frames:
    """A tinted texture that travels slowly: uint8 RGB (count, 90, 160, 3)."""
    return (travelling(seed, count, 1.0) * 0.4 + np.array(colour) * 0.6).astype(np.uint8)


def page(size: int = 22, width: int = 640, height: int = 360, ink: int = 20, paper: int = 235) -> Frames:
    """A page of writing: uint8 RGB (height, width, 3)."""
    picture = Image.new("RGB", (width, height), (paper,) * 3)
    draw, font, word, top = ImageDraw.Draw(picture), ImageFont.load_default(size), 0, 20
    while top < height - 1.4 * size:
        line = ""
        while draw.textlength(line + WORDS[word % len(WORDS)], font) < width - 60:
            line += WORDS[word % len(WORDS)] + " "
            word += 1
        draw.text((30, top), line, font=font, fill=(ink,) * 3)
        top += int(1.5 * size)
    return np.array(picture)


def clip(path: Path, frames: Frames, caption: str | None = None, fps: int = 24) -> Path:
    """A video file with its caption beside it."""
    video(path, frames, fps=Fraction(fps))
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return path


def frames_folder(folder: Path, frames: Frames, caption: str | None = None) -> Path:
    """A folder of frame0.png, frame1.png, ... with a prompt.txt."""
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame{i}.png")
    if caption is not None:
        (folder / "prompt.txt").write_text(caption, encoding="utf-8")
    return folder
