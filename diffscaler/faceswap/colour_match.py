"""Giving a drawn face the colours of the face it replaces, in linear light, where averages mean what the eye sees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

CONTRAST_FROM, CONTRAST_TO = 0.7, 1.4  # a beard or a hand must not turn the drawn face flat or harsh
STEPS = 1 << 14


def _to_linear(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """sRGB 0..1 to linear light 0..1 (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 1e-9) ** (1 / 2.4) - 0.055)


LINEAR = _to_linear(np.arange(256) / 255).astype(np.float32)
SRGB = np.rint(_to_srgb(np.arange(STEPS) / (STEPS - 1)) * 255).astype(np.uint8)


def match_colour(drawn: Frame, target: Frame, mask: Floats, strength: float) -> Frame:
    """`drawn` with mean and spread of each channel brought to `target`'s, in linear light.

    drawn, target: uint8 RGB (S, S, 3), crops of the same place; mask: float32 (M, M), what counts
    strength: 0 (drawn as it is) .. 1
    """
    total = float(mask.sum())
    if strength <= 0 or total < 1:
        return drawn
    weights = mask / np.float32(total)
    own, wanted = _moments(drawn, weights), _moments(target, weights)
    gain = 1 + strength * (np.clip(wanted[1] / np.maximum(own[1], 1e-4), CONTRAST_FROM, CONTRAST_TO) - 1)
    mean = own[0] + strength * (wanted[0] - own[0])
    # A value and a channel decide everything: 256 x 3 numbers instead of every pixel.
    table = np.clip((LINEAR[:, None] - own[0]) * gain + mean, 0, 1)
    levels = SRGB[np.rint(table * (STEPS - 1)).astype(np.int32)]
    return cv2.LUT(drawn, levels[:, None])


def _moments(picture: Frame, weights: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation per channel, each float32 (3,), of linear light."""
    light = LINEAR[cv2.resize(picture, weights.shape[::-1], interpolation=cv2.INTER_AREA)]
    mean = np.einsum("ijc,ij->c", light, weights)
    return mean, np.sqrt(np.einsum("ijc,ij->c", (light - mean) ** 2, weights))
