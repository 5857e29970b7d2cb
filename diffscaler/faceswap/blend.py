"""Joining a drawn face and the frame it lies on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap.libs import cv2

Floats = npt.NDArray[np.float32]


def blend_bands(under: Floats, over: Floats, mask: Floats, levels: int) -> Floats:
    """Multi-band blend (Burt and Adelson 1983): coarse shading crosses over widely, fine detail sharply.

    under, over: float32 (H, W, 3); mask: float32 (H, W), 0 keeps `under`, 1 takes `over`; levels: octaves
    Returns float32 (H, W, 3). Where the mask is 0 within 2**levels pixels, `under` comes back unchanged (to rounding).
    """
    levels = max(0, min(levels, int(np.log2(max(1, min(mask.shape)))) - 2))
    if levels == 0:
        return (under + (over - under) * mask[..., None]).astype(np.float32)
    difference, weights = over - under, [mask]
    bands: list[Floats] = []
    for _ in range(levels):
        smaller = cv2.pyrDown(difference)
        bands.append(difference - cv2.pyrUp(smaller, dstsize=difference.shape[1::-1]))
        difference = smaller
        weights.append(cv2.pyrDown(weights[-1]))
    # Blending two pyramids by a mask equals weighting the pyramid of their difference: half the work.
    mixed = difference * weights[-1][..., None]
    for band, weight in zip(reversed(bands), reversed(weights[:-1]), strict=True):
        mixed = cv2.pyrUp(mixed, dstsize=band.shape[1::-1]) + band * weight[..., None]
    return (under + mixed).astype(np.float32)


def blur(picture: Floats, sigma: float) -> Floats:
    """Gaussian blur, float32 (H, W) or (H, W, C); wide ones at reduced size, so that cost does not grow with sigma."""
    if sigma <= 0.3:
        return picture
    shrink = max(1, int(sigma / 3))
    if shrink == 1:
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = picture.shape[:2]
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def local_mean(picture: Floats, weights: Floats, sigma: float) -> Floats:
    """Gaussian mean of a picture (H, W, 3) counting only where `weights` (H, W) is above 0."""
    total = blur(weights, sigma)[..., None]
    mean = (picture * weights[..., None]).sum((0, 1)) / max(float(weights.sum()), 1e-6)
    return (blur(picture * weights[..., None], sigma) + 1e-3 * mean) / (np.maximum(total, 0) + 1e-3)
