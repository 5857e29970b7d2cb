"""Similarity transforms between a face in a frame and an upright square crop of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

# Five points of the arcface crop at 112x112 (Deng et al. 2019, insightface's `arcface_dst`).
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def template(size: int) -> Floats:
    """The arcface points in a crop of size x size: float32 (5, 2).

    Sizes divisible by 112 scale the 112 template; sizes divisible by 128 add its 8 px margin to the left and right,
    as the networks trained on 128 px crops expect. Raises ValueError for other sizes.
    """
    if size % 112 == 0:
        return (ARCFACE_112 * (size / 112)).astype(np.float32)
    if size % 128 == 0:
        return ((ARCFACE_112 + np.array([8, 0], np.float32)) * (size / 128)).astype(np.float32)
    raise ValueError(f"size must be a multiple of 112 or 128, not {size}")


def similarity(source: Floats, target: Floats) -> Matrix:
    """The rotation, uniform scale and shift that bring `source` points closest to `target` points (Umeyama 1991).

    source, target: (N, 2). Returns float64 (2, 3). Raises ValueError when the source points coincide.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = a.mean(0), b.mean(0)
    a, b = a - source_mean, b - target_mean
    size = (a**2).sum()
    if size < 1e-9:
        raise ValueError("the landmarks coincide")
    cosine = (a * b).sum() / size
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / size
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.concatenate([turn, (target_mean - turn @ source_mean)[:, None]], axis=1)


def inverse(matrix: Matrix) -> Matrix:
    """The affine (2, 3) that undoes `matrix` (2, 3). Raises ValueError when it cannot be undone."""
    if abs(np.linalg.det(matrix[:, :2])) < 1e-9:
        raise ValueError("the face is seen edge-on: its transform cannot be inverted")
    turn = np.asarray(np.linalg.inv(matrix[:, :2]), np.float64)
    return np.concatenate([turn, -turn @ matrix[:, 2:]], axis=1)


def apply(matrix: Matrix, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Affine `matrix` (2, 3) on points (..., 2)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def align_face(frame: Frame, landmarks: Floats, size: int) -> tuple[Frame, Matrix]:
    """Cut the face out, upright and scaled to the arcface template.

    frame: uint8 RGB (H, W, 3); landmarks: float32 (5, 2), pixels
    Returns the crop, uint8 RGB (size, size, 3), and the matrix (2, 3): frame pixels -> crop pixels. Pixels outside the
    frame repeat its border.
    """
    matrix = similarity(landmarks, template(size))
    return crop_by(frame, matrix, size), matrix


def crop_by(frame: Frame, matrix: Matrix, size: int) -> Frame:
    """The square crop (size, size, 3) that `matrix` (2, 3: frame pixels -> crop pixels) describes."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    area = bounds(apply(inverse(matrix), np.array([[0, 0], [size, 0], [0, size], [size, size]])), frame.shape, 4)
    if area is None:
        return np.zeros((size, size, 3), np.uint8)
    x, y, right, below = area
    part = frame[y:below, x:right]
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (x, y)
    shrink = int(np.floor(1 / scale)) if scale < 1 else 1  # whole factors by area first: a plain warp would alias
    if shrink > 1:
        width, height = max(1, part.shape[1] // shrink), max(1, part.shape[0] // shrink)
        factors = np.array([part.shape[1] / width, part.shape[0] / height])
        part = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        # A pixel centre c of the small picture lies at (c + 0.5) * factor - 0.5 of the large one.
        moved[:, 2] += moved[:, :2] @ (0.5 * factors - 0.5)
        moved[:, :2] = moved[:, :2] * factors
    return cv2.warpAffine(part, moved, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def bounds(
    points: npt.NDArray[np.floating], shape: tuple[int, ...], margin: float = 0
) -> tuple[int, int, int, int] | None:
    """The whole-pixel box x, y, right, below (ends excluded) around points (N, 2) inside a frame, None when outside."""
    height, width = shape[:2]
    low, high = np.floor(points.min(0) - margin), np.ceil(points.max(0) + margin) + 1
    x, y = max(0, int(low[0])), max(0, int(low[1]))
    right, below = min(width, int(high[0])), min(height, int(high[1]))
    return (x, y, right, below) if right > x and below > y else None
