"""Square crops that networks work on: where a face lies in them, cutting them out, and putting them back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.align import ARCFACE_112, Matrix, apply, bounds, crop_by, inverse, similarity
from diffscaler.faceswap.appearance import cells_at
from diffscaler.faceswap.builtin import project
from diffscaler.faceswap.head import LANDMARKS_MM, Pose, fit_pose, turn
from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

MASK_SIZE = 64  # masks are this coarse and enlarged when used: they are soft anyway
EDGE = 0.06  # share of the crop over which its border fades
YAW_STEP, YAW_STEPS = np.radians(15), 5  # masks are worked out for these turns and mixed between them
PITCH_STEP, PITCH_STEPS = np.radians(15), 2


@dataclass(frozen=True)
class Template:
    """Where a network wants the five landmarks. points: five (x, y), as shares of the crop's side."""

    name: str
    points: tuple[tuple[float, float], ...]

    def matrix(self, landmarks: npt.NDArray[np.floating], size: int) -> Matrix:
        """The similarity (2, 3), frame pixels -> pixels of a crop of `size`, for a face's landmarks (5, 2)."""
        return similarity(np.asarray(landmarks, np.float32), np.array(self.points, np.float32) * size)

    def cells(self, landmarks: npt.NDArray[np.floating], size: int, count: int) -> Matrix:
        """The similarity (2, 3), frame pixels -> cells of a table of `count` x `count` over a crop of `size` pixels."""
        return resized(self.matrix(landmarks, size), count / size)


def _shares(points: npt.NDArray[np.floating], size: float) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points / size)


ARCFACE_128 = Template("arcface 128", _shares(ARCFACE_112 + np.array([8, 0], np.float32), 128))
#: A frontal face in a 112 px crop, as SimSwap and GHOST crop theirs.
FRONTAL = Template(
    "frontal",
    _shares(np.array([[39.73, 51.138], [72.27, 51.138], [56, 68.493], [42.463, 87.01], [69.537, 87.01]]), 112),
)
#: FFHQ's alignment at 512 px (facexlib's five points).
FFHQ = Template(
    "ffhq",
    _shares(
        np.array(
            [[192.98138, 239.94708], [318.90277, 240.1936], [256.63416, 314.01935], [201.26117, 371.41043],
             [313.08905, 371.15118]]
        ),
        512,
    ),
)  # fmt: skip


def cut(frame: Frame, template: Template, landmarks: npt.NDArray[np.floating], size: int) -> tuple[Frame, Matrix]:
    """A face's crop, uint8 RGB (size, size, 3), and its matrix (2, 3): frame pixels -> crop pixels."""
    matrix = template.matrix(landmarks, size)
    return crop_by(frame, matrix, size), matrix


def mask_for(template: Template, size: int, pose: Pose) -> Floats:
    """Where a crop of `size` pixels shows the face of `pose`: float32 (MASK_SIZE, MASK_SIZE), 0..1, soft.

    Tracing rays takes 8 ms a face. Crops are upright and of one scale, so what is left to know is how far the face is
    turned: masks are traced once for a few turns, and a face gets a mix of the four nearest.
    """
    yaw = float(np.clip(pose.yaw / YAW_STEP, -YAW_STEPS, YAW_STEPS))
    pitch = float(np.clip(-np.arcsin(np.clip(pose.rotation[2, 1], -1, 1)) / PITCH_STEP, -PITCH_STEPS, PITCH_STEPS))
    left, above = min(int(np.floor(yaw)), YAW_STEPS - 1), min(int(np.floor(pitch)), PITCH_STEPS - 1)
    across, down = np.float32(yaw - left), np.float32(pitch - above)
    rows = [
        _traced(template, size, left, row) * (1 - across) + _traced(template, size, left + 1, row) * across
        for row in (above, above + 1)
    ]
    return rows[0] * (1 - down) + rows[1] * down


@lru_cache(maxsize=256)
def _traced(template: Template, size: int, yaw: int, pitch: int) -> Floats:
    """The mask of the generic head, turned by whole steps, in a crop of `size` pixels."""
    flat = LANDMARKS_MM @ turn(yaw * YAW_STEP, pitch * PITCH_STEP, 0.0)[:2].T
    landmarks = apply(template.cells(flat, size, MASK_SIZE), flat)
    return traced_mask(landmarks, MASK_SIZE)


def traced_mask(landmarks: npt.NDArray[np.floating], size: int, allowed: Floats | None = None) -> Floats:
    """Where a crop of `size` shows the face: float32 (size, size), 0..1, soft; landmarks: (5, 2), crop pixels.

    allowed: float32 (32, 32), 0..1, where the unrolled face may be drawn over (`occlusion.drawable`); None: everywhere
    """
    where, coarse = project(fit_pose(landmarks), (0, 0, size, size))
    if allowed is not None:
        coarse = coarse * cv2.remap(allowed, *cells_at(where), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR) * border(size)


def traced_places(landmarks: npt.NDArray[np.floating], size: int) -> Floats:
    """Which place of the face plane a crop of `size` shows: float32 (size, size, 2), mm; landmarks: (5, 2), pixels."""
    where, _ = project(fit_pose(landmarks), (0, 0, size, size))
    return cv2.resize(where, (size, size), interpolation=cv2.INTER_LINEAR)


def border(size: int) -> Floats:
    """1 inside a crop, 0 at its border, so that nothing is cut off sharply there: float32 (size, size)."""
    edge = np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / (EDGE * size), 0, 1).astype(np.float32)
    return np.minimum(edge[:, None], edge[None])


def paste(frame: Frame, face: Frame, matrix: Matrix, mask: Floats) -> None:
    """Put a crop back where it came from, in place; only the pixels under the mask are read or written.

    frame: uint8 RGB (H, W, 3), changed; face: uint8 RGB (S, S, 3); mask: float32 (M, M) over the crop, 0 keeps the
    frame, 1 takes the face; matrix: (2, 3), frame pixels -> crop pixels, as `cut` returns it
    Raises ValueError when `matrix` cannot be inverted.
    """
    size, cells = len(face), len(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return
    low, high = np.array([columns[0] - 1, rows[0] - 1]), np.array([columns[-1] + 2, rows[-1] + 2])
    corners = np.array([low, (high[0], low[1]), (low[0], high[1]), high]) * (size / cells)
    area = bounds(apply(inverse(matrix), corners), frame.shape)
    if area is None:
        return
    x, y, right, below = area
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (x, y)
    where, part = (right - x, below - y), frame[y:below, x:right]
    weight = cv2.warpAffine(mask, resized(moved, cells / size), where, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    weight = np.clip(weight, 0, 1)
    shrink = int(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink > 1:  # crops larger than the face: whole factors by area first, a plain warp would alias
        small = max(1, round(size / shrink))
        face, moved = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA), resized(moved, small / size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    drawn = cv2.warpAffine(face, moved, where, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    # 8-bit in and out; its weights may sum to 1.00001, which rounds away: where the weight is 0 the frame stays.
    frame[y:below, x:right] = cv2.blendLinear(drawn, np.ascontiguousarray(part), weight, 1 - weight)


def resized(matrix: Matrix, factor: float) -> Matrix:
    """`matrix` (2, 3) for a crop resized by `factor`: a pixel centre c becomes (c + 0.5) * factor - 0.5."""
    scaled = matrix * factor
    scaled[:, 2] += 0.5 * factor - 0.5
    return scaled
