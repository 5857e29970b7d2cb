"""A still face made to speak, blink and raise its brows by known amounts."""

from __future__ import annotations

import cv2
import numpy as np

from diffscaler.faceswap.head import cast, fit_pose, place

INTERIOR = (52, 20, 22)  # the inside of a mouth, RGB


def perform(picture, landmarks, jaw_mm=0.0, closed=0.0, brows_mm=0.0):
    """The face with its jaw lowered, its eyes closed (0..1) and its brows raised: uint8 RGB, like `picture`.

    landmarks: (5, 2), pixels, of the face in `picture`
    """
    pose = fit_pose(landmarks)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    where, hit = cast(pose, np.stack([x, y], axis=2))
    a, b = where.transpose(2, 0, 1)
    below = np.clip((b - 74) / np.maximum(jaw_mm, 1e-6), 0, 1) if jaw_mm > 0 else np.zeros_like(b)
    drop = jaw_mm * below * np.exp(-((a / 38) ** 4)) * np.clip((132 - b) / 14, 0, 1)
    lift = brows_mm * np.exp(-(((b + 24) / 13) ** 2)) * np.exp(-(((np.abs(a) - 28) / 24) ** 2))
    lids = np.clip(1.3 - (((np.abs(a) - 31.5) / 16) ** 2 + ((b - 0.5) / 7) ** 2), 0, 0.3) / 0.3 * closed
    source = place(pose, a, b - drop + lift).astype(np.float32)
    source += (np.stack([x, y], axis=2) - place(pose, a, b)).astype(np.float32)  # cast and place differ by a little
    result = cv2.remap(picture, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lid = place(pose, a, np.full_like(b, -9) - 0.2 * b).astype(np.float32)
    skin = cv2.remap(picture, lid[..., 0], lid[..., 1], cv2.INTER_LINEAR).astype(np.float32)
    skin *= 1 - 0.45 * np.exp(-(((b - 4) / 1.8) ** 2))[..., None]  # lashes
    result = result + (skin - result) * (lids * hit)[..., None]
    gap = 1 - (a / 19) ** 2 - ((b - 74 - jaw_mm / 2) / max(0.5 * jaw_mm, 1e-6)) ** 2
    inside = (np.clip(gap / 0.3, 0, 1) * hit * (jaw_mm > 0.5))[..., None]
    return np.clip(np.rint(result + (np.array(INTERIOR) - result) * inside), 0, 255).astype(np.uint8)
