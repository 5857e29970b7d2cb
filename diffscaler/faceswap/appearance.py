"""What a face looks like, unrolled to a small frontal picture: its skin colour, and what hides parts of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import bounds
from diffscaler.faceswap.blend import blur
from diffscaler.faceswap.head import Pose, look_up, place, surface
from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

SIZE = 32
HALF_WIDTH_MM, TOP_MM, BELOW_MM = 70.0, -50.0, 118.0
CELL_MM = 4.4


@dataclass(frozen=True)
class SkinTone:
    """A face's colours in CIE Lab (D65): L 0..100, a and b about -128..127.

    mean: float32 (3,), of the skin; dark, light: how far the darkest and lightest features (brows, teeth) lie from the
    mean, in L, both positive: haze, a raised black level and low light shrink them
    """

    mean: Floats
    dark: float
    light: float


@lru_cache(maxsize=1)
def grid_mm() -> Floats:
    """Face-plane places of the small picture's cells: float32 (SIZE, SIZE, 2), mm."""
    across = (np.arange(SIZE) + 0.5) / SIZE * 2 * HALF_WIDTH_MM - HALF_WIDTH_MM
    down = (np.arange(SIZE) + 0.5) / SIZE * (BELOW_MM - TOP_MM) + TOP_MM
    return np.stack(np.meshgrid(across, down), axis=2).astype(np.float32)


def unroll(frame: Frame, pose: Pose) -> Frame:
    """The face as seen from the front: uint8 RGB (SIZE, SIZE, 3), whatever the pose; hidden parts show what hides them.

    frame: uint8 RGB (H, W, 3). Cells outside the frame repeat its border.
    """
    grid = grid_mm()
    points = place(pose, *grid.astype(np.float64).transpose(2, 0, 1))
    area = bounds(points.reshape(-1, 2), frame.shape, 2)
    if area is None:
        return np.zeros((SIZE, SIZE, 3), np.uint8)
    x, y, right, below = area
    part = frame[y:below, x:right]
    shrink = min(1.0, 1 / (CELL_MM * pose.scale))
    size = max(1, round(part.shape[1] * shrink)), max(1, round(part.shape[0] * shrink))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    factors = np.array(size) / (part.shape[1], part.shape[0])
    at = ((points - (x, y) + 0.5) * factors - 0.5).astype(np.float32)
    return cv2.remap(small, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def seen(pose: Pose) -> Floats:
    """How squarely each cell of the small picture faces the viewer: float32 (SIZE, SIZE), 0 (turned away) to 1."""
    grid = grid_mm()
    facing = look_up(surface().normals, grid) @ pose.rotation[2].astype(np.float32)
    return np.clip((facing - 0.2) / 0.35, 0, 1)


def skin_tone(picture: Frame, visible: Floats) -> SkinTone:
    """The skin's colour in an unrolled face (SIZE, SIZE, 3), without eyes, brows, lips and whatever differs too much.

    visible: float32 (SIZE, SIZE), weight of each cell, as `seen` gives it
    """
    lab = to_lab(picture).reshape(-1, 3)
    weights = (look_up(surface().skin, grid_mm()) * visible).ravel() + 1e-6
    mean = np.average(lab, axis=0, weights=weights)
    for _ in range(3):  # hair, hands and background are outliers: look again without them
        spread = np.sqrt(np.average((lab - mean) ** 2, axis=0, weights=weights)) + 1e-3
        far = (((lab - mean) / np.maximum(spread, 2)) ** 2).sum(1)
        weights = weights * np.where(far > 6, 0.05, 1)
        mean = np.average(lab, axis=0, weights=weights)
    shown = (look_up(surface().face, grid_mm()) * visible).ravel() > 0.6
    low, high = np.percentile(lab[shown, 0], (5, 97)) if shown.sum() > 40 else (mean[0] - 20, mean[0] + 10)
    return SkinTone(mean.astype(np.float32), float(max(4, mean[0] - low)), float(max(3, high - mean[0])))


def bare(picture: Frame, visible: Floats, tone: SkinTone) -> Floats:
    """Where an unrolled face shows the face itself, not hair that falls over it: float32 (SIZE, SIZE), 0..1.

    Judged by colour around the features only: brows, eyes, nose and mouth count as face whatever their colour.
    """
    x, y = grid_mm().transpose(2, 0, 1)
    apart = (to_lab(picture) - tone.mean) / (np.maximum(0.6 * tone.dark, 9), 7, 8)
    unlike = np.clip(((apart**2).sum(2) - 1.0) / 1.0, 0, 1) * (visible > 0.3)
    face = 1 - unlike * np.clip((-26 - y) / 4, 0, 1)
    # Behind a fringe comes more hair: what lies further up is no better than what lies below.
    face = np.minimum.accumulate(face[::-1], axis=0)[::-1]
    face[1:] = face[:-1]  # and the cell before the fringe shows its shadow
    sides = 1 - unlike * np.clip((np.abs(x) - 46) / 6, 0, 1) * np.clip((100 - y) / 20, 0, 1)
    middle = SIZE // 2
    right = np.minimum.accumulate(sides[:, middle:], axis=1)
    left = np.minimum.accumulate(sides[:, :middle][:, ::-1], axis=1)[:, ::-1]
    face = np.minimum(face, np.concatenate([left, right], axis=1)).astype(np.float32)
    return np.clip(2 * blur(face, 0.9) - 1, 0, 1)  # soft, and a little inside


def cells_at(places: Floats) -> tuple[Floats, Floats]:
    """Column and row of face-plane places (..., 2), mm, in an unrolled picture, for cv2.remap."""
    columns = (places[..., 0] + HALF_WIDTH_MM) / (2 * HALF_WIDTH_MM) * SIZE - 0.5
    rows = (places[..., 1] - TOP_MM) / (BELOW_MM - TOP_MM) * SIZE - 0.5
    return columns.astype(np.float32), rows.astype(np.float32)


def to_lab(picture: npt.NDArray[np.uint8]) -> Floats:
    """uint8 RGB (..., 3) as float32 CIE Lab."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def from_lab(lab: Floats) -> Floats:
    """float32 CIE Lab as float32 RGB, 0..255, clipped."""
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB) * 255, 0, 255)
