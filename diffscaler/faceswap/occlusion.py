"""Hands, cups and microphones in front of a face: found because the face looks unlike itself at other times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.appearance import SIZE, SkinTone, bare, grid_mm, seen, to_lab
from diffscaler.faceswap.blend import blur
from diffscaler.faceswap.detections import ClipFaces
from diffscaler.faceswap.head import Pose, look_up, surface
from diffscaler.faceswap.libs import ndimage
from diffscaler.faceswap.track import Track

Floats = npt.NDArray[np.float32]

UNLIKE_FROM, UNLIKE_TO = 1.0, 1.8  # in units of TOLERANCE
TOLERANCE = np.array([10, 4.5, 5], np.float32)  # differences in L, a, b that light and pose alone bring about
LEAST_CELLS = 8  # of the unrolled picture, 23 square millimetres each


def drawable(
    track: Track,
    poses: list[Pose],
    faces: ClipFaces,
    tones: list[SkinTone],
    tick: Callable[[], None] = lambda: None,
    hair: bool = True,
) -> Floats:
    """Where each frame's face may be drawn over: float32 (K, 32, 32), 0..1, over the unrolled face.

    The same for the whole track where its own hair falls over it, frame by frame where something passes before it.
    Frames in which the face was filled in take what their neighbours have.
    hair: False for networks, which draw that hair again themselves, and whose masks need not fear a cheek in the shade
    """
    known = np.flatnonzero(track.rows >= 0)
    looks = faces.look[track.rows[known]]
    visible = np.stack([seen(poses[index]) for index in known])
    hidden = np.broadcast_to((visible < 0.5)[..., None], looks.shape)
    usual = np.ma.median(np.ma.array(looks, mask=hidden), axis=0).filled(0).astype(np.uint8)
    best = known[int(np.argmax(visible.mean(axis=(1, 2))))]
    uncovered = bare(usual, visible.max(axis=0), tones[best]) if hair else np.ones((SIZE, SIZE), np.float32)
    free = np.ones((len(known), SIZE, SIZE), np.float32)
    for index, (look, shown) in enumerate(zip(looks, visible, strict=True)):
        tick()
        free[index] = 1 - _strange(look, usual, shown)
    every = np.arange(len(track.rows))
    nearest = known[np.abs(every[:, None] - known[None]).argmin(axis=1)] if len(known) < len(every) else every
    free = free[np.searchsorted(known, nearest)]
    padded = np.pad(free, ((1, 1), (0, 0), (0, 0)), mode="edge")
    steady = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (steady * uncovered).astype(np.float32)


def _strange(look: npt.NDArray[np.uint8], usual: npt.NDArray[np.uint8], visible: Floats) -> Floats:
    """How certainly each cell shows something else than the face: float32 (32, 32), 0..1.

    A mouth that opens and eyes that close change too; they stay face unless the change reaches beyond them.
    """
    x, y = grid_mm().transpose(2, 0, 1)
    judged = (look_up(surface().face, grid_mm()) > 0.4) & (visible > 0.6) & (np.abs(x) < 48)
    if judged.sum() < 100:
        return np.zeros(visible.shape, np.float32)
    apart = to_lab(look) - to_lab(usual)
    apart = apart - np.median(apart[judged], axis=0)  # light that changes over the whole face
    unlike = blur(np.sqrt(((apart / TOLERANCE) ** 2).sum(2)).astype(np.float32), 0.6)
    score = np.clip((unlike - UNLIKE_FROM) / (UNLIKE_TO - UNLIKE_FROM), 0, 1) * judged
    expression = (((x / 34) ** 2 + ((y - 74) / 17) ** 2) < 1) | ((np.abs(np.abs(x) - 31) < 20) & (np.abs(y + 6) < 20))
    patches, count = ndimage.label(score > 0.3)
    for patch in range(1, count + 1):
        inside = patches == patch
        if inside.sum() < LEAST_CELLS or (inside & ~expression).sum() < LEAST_CELLS / 2:
            score[inside] = 0
    score[patches == 0] = 0
    return np.clip(1.6 * blur(score.astype(np.float32), 0.9), 0, 1)
