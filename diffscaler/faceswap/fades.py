"""How strongly a followed face is replaced, frame by frame: a swap should come and go softly where the shot goes on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

FADE_S = 0.25
PROFILE_DEGREES = 60.0  # beyond it half the face is out of sight, and a swap smears over what is left
BACK_DEGREES = 55.0  # a face that was beyond must come back this far: no flicker at the limit
OUTSIDE = 0.5  # share of its box beyond the border from which a face has left the frame


def fade_weights(
    yaws: npt.NDArray[np.floating],
    boxes: Floats,
    fps: float,
    size: tuple[int, int] | None,
    begins: bool,
    ends: bool,
) -> Floats:
    """Weights of one track's frames, 0 (left alone) to 1 (replaced): float32 (K,).

    yaws: (K,), degrees, 0 frontal; boxes: float32 (K, 4), x1 y1 x2 y2; size: width and height of the frame, if known
    begins, ends: whether the face appears and disappears while the shot goes on. Not so at a cut or the clip's ends,
    where a fade would show the face that was there.
    """
    hidden = turned_away(yaws) | outside(boxes, size)
    reach = FADE_S * fps
    weights = _ramp(_distance(hidden), reach)
    # Who is there for a moment only is replaced all the same.
    reach = min(reach, len(weights) / 4)
    steps = np.arange(1, len(weights) + 1)
    if begins:
        weights = np.minimum(weights, _ramp(steps, reach))
    if ends:
        weights = np.minimum(weights, _ramp(steps[::-1], reach))
    return weights.astype(np.float32)


def turned_away(yaws: npt.NDArray[np.floating]) -> Flags:
    """Frames (K,) in which a face is seen from the side, with hysteresis. yaws: (K,), degrees"""
    away, result = False, np.zeros(len(yaws), bool)
    for index, yaw in enumerate(np.abs(yaws)):
        away = bool(yaw > (BACK_DEGREES if away else PROFILE_DEGREES))
        result[index] = away
    return result


def outside(boxes: Floats, size: tuple[int, int] | None) -> Flags:
    """Frames (K,) in which more than half of the box (K, 4) lies beyond the frame's border. size: width, height"""
    if size is None:
        return np.zeros(len(boxes), bool)
    corners = boxes.reshape(-1, 2, 2)
    inside = np.clip(corners, 0, np.array(size, np.float32))
    area, shown = (np.prod(np.clip(box[:, 1] - box[:, 0], 0, None), axis=1) for box in (corners, inside))
    return shown < (1 - OUTSIDE) * area


def _distance(hidden: Flags) -> npt.NDArray[np.float64]:
    """Frames from each frame to the nearest hidden one: float64 (K,), infinite when there is none."""
    at = np.flatnonzero(hidden)
    if len(at) == 0:
        return np.full(len(hidden), np.inf)
    every = np.arange(len(hidden))
    right = np.searchsorted(at, every)
    before, after = at[np.maximum(right - 1, 0)], at[np.minimum(right, len(at) - 1)]
    return np.minimum(np.abs(every - before), np.abs(after - every)).astype(np.float64)


def _ramp(distance: npt.NDArray[np.floating] | npt.NDArray[np.int_], reach: float) -> npt.NDArray[np.float64]:
    """0 at distance 0, 1 from `reach` on, smooth between."""
    share = np.clip(distance / max(reach, 1e-6), 0, 1)
    return share * share * (3 - 2 * share)
