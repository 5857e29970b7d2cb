"""How pictures get worse on their way to a person, to learn from: blurred, resized, noisy and compressed, twice.

The second-order model of Wang et al. 2021, "Real-ESRGAN", section 3 and appendix A (kernels and ranges as given there),
with H.264 beside JPEG in the second round, as film is kept.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast

import cv2 as _cv2
import numpy as np
import numpy.typing as npt

cv2: Any = _cv2  # its stubs know no dtypes

Picture = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Rng = np.random.Generator

#: Pixels of a blur kernel's side, odd.
KERNEL_SIDES = tuple(range(7, 22, 2))
RESIZES = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
KINDS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
KIND_CHANCES = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
SINC_SHARE, LAST_SINC_SHARE, H264_SHARE = 0.1, 0.8, 0.5


@dataclass(frozen=True)
class Round:
    """One of the two rounds. blur: share of pictures blurred; sigma, beta, plateau: of the kernels
    up, down: chances of growing and of shrinking (the rest stays); sizes: factors; gaussian, poisson: noise ranges,
    of 255 and as a scale; quality: of JPEG
    """

    blur: float
    sigma: tuple[float, float]
    beta: tuple[float, float]
    plateau: tuple[float, float]
    up: float
    down: float
    sizes: tuple[float, float]
    gaussian: tuple[float, float]
    poisson: tuple[float, float]
    grey: float
    quality: tuple[int, int]


FIRST = Round(1.0, (0.2, 3.0), (0.5, 4.0), (1.0, 2.0), 0.2, 0.7, (0.15, 1.5), (1, 30), (0.05, 3.0), 0.4, (30, 95))
SECOND = Round(0.8, (0.2, 1.5), (0.5, 4.0), (1.0, 2.0), 0.3, 0.4, (0.3, 1.2), (1, 25), (0.05, 2.5), 0.4, (30, 95))


def degraded(high: Picture, scale: int, rng: Rng) -> Picture:
    """A picture, uint8 RGB (H, W, 3), made worse and `scale` times smaller: (H / scale, W / scale, 3).

    Sides are multiples of `scale`.
    """
    height, width = high.shape[0] // scale, high.shape[1] // scale
    picture = one_round(high.astype(np.float32), FIRST, (high.shape[0], high.shape[1]), rng)
    picture = jpeg(to_eight(picture), int(rng.integers(*FIRST.quality))).astype(np.float32)
    picture = one_round(picture, SECOND, (height, width), rng)

    def shrunk(picture: Field) -> Field:
        picture = resized(picture, height, width, rng)
        return filtered(picture, sinc_kernel(rng)) if rng.random() < LAST_SINC_SHARE else picture

    def compressed(picture: Field) -> Field:
        eight, quality = to_eight(picture), int(rng.integers(*SECOND.quality))
        made = h264(eight, round(51 - quality / 3)) if rng.random() < H264_SHARE else jpeg(eight, quality)
        return made.astype(np.float32)

    # The last filter and the compression come in either order (section 3.3).
    steps: list[Callable[[Field], Field]] = [shrunk, compressed]
    for step in steps if rng.random() < 0.5 else steps[::-1]:
        picture = step(picture)
    return to_eight(picture if picture.shape[:2] == (height, width) else resized(picture, height, width, rng))


def one_round(picture: Field, how: Round, size: tuple[int, int], rng: Rng) -> Field:
    """Blurred, resized and noisy, levels of 255. size: rows and columns that the factors are counted from"""
    if rng.random() < how.blur:
        picture = filtered(picture, sinc_kernel(rng) if rng.random() < SINC_SHARE else blur_kernel(how, rng))
    kind = rng.choice(3, p=(how.up, how.down, 1 - how.up - how.down))
    factor = 1.0 if kind == 2 else rng.uniform(1, how.sizes[1]) if kind == 0 else rng.uniform(how.sizes[0], 1)
    picture = resized(picture, *(max(4, round(side * factor)) for side in size), rng)
    grey = bool(rng.random() < how.grey)
    if rng.random() < 0.5:
        return gaussian_noise(picture, float(rng.uniform(*how.gaussian)), grey, rng)
    return poisson_noise(picture, float(rng.uniform(*how.poisson)), grey, rng)


def blur_kernel(how: Round, rng: Rng) -> Field:
    """A kernel of a random kind: Gaussian, generalised Gaussian or plateau-shaped, round or stretched; its sum is 1."""
    kind = str(rng.choice(KINDS, p=KIND_CHANCES))
    side = int(rng.choice(KERNEL_SIDES))
    sigma_x = float(rng.uniform(*how.sigma))
    sigma_y, angle = sigma_x, 0.0
    if kind.endswith("aniso"):
        sigma_y, angle = float(rng.uniform(*how.sigma)), float(rng.uniform(-np.pi, np.pi))
    shape: Literal["gaussian", "plateau"] = "plateau" if kind.startswith("plateau") else "gaussian"
    bounds = how.plateau if shape == "plateau" else how.beta
    beta = 1.0
    if not kind.startswith(("iso", "aniso")):
        # Half of them flatter than a Gaussian, half of them peaked (appendix A).
        beta = float(rng.uniform(bounds[0], 1) if rng.random() < 0.5 else rng.uniform(1, bounds[1]))
    return kernel(side, sigma_x, sigma_y, angle, beta, shape)


def kernel(
    side: int, sigma_x: float, sigma_y: float, angle: float, beta: float, shape: Literal["gaussian", "plateau"]
) -> Field:
    """float32 (side, side), its sum is 1; eq. 2 to 4 of the paper. angle: radians; with a beta of 1 a Gaussian"""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inverse = np.linalg.inv(turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T)
    at = np.arange(side) - side // 2
    places = np.stack(np.meshgrid(at, at), axis=-1)
    distance = np.einsum("...i,ij,...j", places, inverse, places)
    made = np.exp(-0.5 * distance**beta) if shape == "gaussian" else 1 / (1 + distance**beta)
    return (made / made.sum()).astype(np.float32)


def sinc_kernel(rng: Rng) -> Field:
    """A round low-pass filter, which rings and overshoots as sharpened and compressed pictures do; eq. 6."""
    side = int(rng.choice(KERNEL_SIDES))
    return sinc(side, float(rng.uniform(np.pi / 3 if side < 13 else np.pi / 5, np.pi)))


def sinc(side: int, cutoff: float) -> Field:
    """float32 (side, side), its sum is 1. cutoff: radians a pixel, pi keeps all"""
    at = np.arange(side) - side // 2
    distance = np.hypot(*np.meshgrid(at, at))
    distance[side // 2, side // 2] = 1  # its limit is put in below
    made = cutoff * bessel_j1(cutoff * distance) / (2 * np.pi * distance)
    made[side // 2, side // 2] = cutoff**2 / (4 * np.pi)
    return (made / made.sum()).astype(np.float32)


def bessel_j1(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The Bessel function of the first kind and order 1, by its integral (Abramowitz and Stegun, 9.1.21)."""
    turn = (np.arange(256) + 0.5) * np.pi / 256
    return cast(npt.NDArray[np.float64], np.cos(turn - x[..., None] * np.sin(turn)).mean(-1))


def filtered(picture: Field, kernel: Field) -> Field:
    return cast(Field, cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT))


def resized(picture: Field, height: int, width: int, rng: Rng) -> Field:
    """By area, bilinear or bicubic, at random."""
    return cast(Field, cv2.resize(picture, (width, height), interpolation=RESIZES[int(rng.integers(len(RESIZES)))]))


def gaussian_noise(picture: Field, sigma: float, grey: bool, rng: Rng) -> Field:
    """sigma: in levels of 255; grey: the same in all colours."""
    channels = 1 if grey else 3
    return picture + rng.normal(0, sigma, (*picture.shape[:2], channels)).astype(np.float32)


def poisson_noise(picture: Field, scale: float, grey: bool, rng: Rng) -> Field:
    """Shot noise, stronger where it is bright. scale: how much of it; grey: the same in all colours."""
    clean = picture.clip(0, 255) / 255
    if grey:
        clean = clean.mean(-1, keepdims=True)
    steps = 2 ** np.ceil(np.log2(max(2, len(np.unique(to_eight(clean * 255))))))
    noise = rng.poisson(clean * steps) / steps - clean
    return picture + (noise * scale * 255).astype(np.float32)


def jpeg(picture: Picture, quality: int) -> Picture:
    """A picture as JPEG of this quality gives it back."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def h264(picture: Picture, crf: int) -> Picture:
    """A picture as H.264 of this quality gives it back, in 4:2:0; an odd side is repeated for it."""
    from av.codec.context import CodecContext
    from av.video.frame import VideoFrame

    height, width = picture.shape[:2]
    even = np.pad(picture, ((0, max(height % 2, 16 - height)), (0, max(width % 2, 16 - width)), (0, 0)), mode="edge")
    even = even[: even.shape[0] // 2 * 2, : even.shape[1] // 2 * 2]
    encoder: Any = CodecContext.create("libx264", "w")
    encoder.height, encoder.width = even.shape[:2]
    encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(25)
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency", "threads": "1"}
    decoder: Any = CodecContext.create("h264", "r")
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    shown = [out for packet in [*packets, None] for out in decoder.decode(packet)]
    return shown[0].to_ndarray(format="rgb24")[:height, :width]


def to_eight(picture: Field) -> Picture:
    return np.rint(picture.clip(0, 255)).astype(np.uint8)
