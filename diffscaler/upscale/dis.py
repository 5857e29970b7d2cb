"""Optical flow between two frames, where it holds, and pictures fetched along it.

OpenCV's DIS (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search").
"""

from __future__ import annotations

from typing import Any, Literal

import cv2 as _cv2
import numpy as np
import numpy.typing as npt

cv2: Any = _cv2  # its stubs know no dtypes

Picture = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Preset = Literal["fast", "medium"]

PRESETS = {"fast": cv2.DISOPTICAL_FLOW_PRESET_FAST, "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}
# DIS needs room for its patches and its pyramid.
LEAST_SIDE = 32


def dis_flow(a: Picture, b: Picture, preset: Preset = "medium") -> Field:
    """DIS flow from `a` to `b`: uint8 grey (H, W) each -> float32 (H, W, 2) in pixels, any size."""
    height, width = a.shape
    down, across = max(0, LEAST_SIDE - height), max(0, LEAST_SIDE - width)
    if down or across:
        a, b = (cv2.copyMakeBorder(grey, 0, down, 0, across, cv2.BORDER_REPLICATE) for grey in (a, b))
    engine = cv2.DISOpticalFlow_create(PRESETS[preset])
    return np.ascontiguousarray(engine.calc(a, b, None)[:height, :width])


def consistency(forward: Field, backward: Field) -> Field:
    """1 where going forth and back ends where it began, 0 where it does not: float32 (H, W).

    forward, backward: float32 (H, W, 2). The test is that of Sundaram et al. 2010, eq. 5, softened over its bound.
    """
    there = fetched(backward, forward)
    gap = ((forward + there) ** 2).sum(-1)
    bound = 0.01 * ((forward**2).sum(-1) + (there**2).sum(-1)) + 0.5
    return np.clip(2 - gap / bound, 0, 1).astype(np.float32)


def fetched(picture: npt.NDArray[Any], by: Field, method: int | None = None) -> npt.NDArray[Any]:
    """`picture` (H, W[, C]) at p + by(p) for every pixel p; beyond the edge, the edge. method: linear unless told."""
    height, width = by.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    method = cv2.INTER_LINEAR if method is None else method
    made: npt.NDArray[Any] = cv2.remap(picture, x + by[..., 0], y + by[..., 1], method, borderMode=cv2.BORDER_REPLICATE)
    return made


def warped_error(before: Picture, after: Picture, preset: Preset = "fast") -> float:
    """How much of what a frame shows differs from the one before it, moved along the flow: mean levels of 0..255.

    Where the flow forth and back do not agree, nothing counts: what comes into sight there flickers in no way. 0 where
    nothing could be matched. before, after: uint8 grey (H, W). Lai et al. 2018, "Learning Blind Video Temporal
    Consistency", eq. 11.
    """
    back, forth = dis_flow(after, before, preset), dis_flow(before, after, preset)
    agree = consistency(back, forth)
    gap = np.abs(after.astype(np.float32) - fetched(before.astype(np.float32), back))
    return float((gap * agree).sum() / max(float(agree.sum()), 1.0))
