"""What stands out in a picture: who is asked where the foreground is, and one who needs no network to answer."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from diffscaler.media import Frames

Mask = npt.NDArray[np.bool_]

#: Pixels of the longer side at which pictures are looked at: masks are wanted at an eighth of a picture's size.
LOOKED_AT = 128
#: Parts of a picture's sides that count as its border, and that are background in any case.
BORDER, EDGE = 0.06, 0.02
GRABCUT_ROUNDS = 3


class Foreground(Protocol):
    """Tells foreground from background; what is made from it notes `name`."""

    name: str

    def masks(self, frames: Frames) -> Mask:
        """Frames, uint8 RGB (F, H, W, 3), each by itself -> bool (F, H, W), True in the foreground."""
        ...


class BorderContrast:
    """What differs in colour from at least three of a picture's four borders, made to follow edges by GrabCut.

    That borders show the background is Wei et al. 2012's prior; the distance to each border's colours is Zhang et al.
    2015's; GrabCut is Rother et al. 2004's. It knows no things: what has the background's colours is missed, and what
    fills a picture to its borders is taken for background.
    """

    name = "contrast to the picture's borders"

    def masks(self, frames: Frames) -> Mask:
        """See Foreground."""
        return np.stack([standing_out(frame) for frame in frames])


def standing_out(picture: Frames) -> Mask:
    """Picture, uint8 RGB (H, W, 3) -> bool (H, W); all False where nothing stands out."""
    height, width = picture.shape[:2]
    scale = min(1.0, LOOKED_AT / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    contrast = border_contrast(small)
    least, _ = cv2.threshold(contrast, 0, 255, cv2.THRESH_OTSU)
    marks = np.where(contrast > least, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    rows, columns = (max(1, round(side * EDGE)) for side in marks.shape)
    marks[:rows] = marks[-rows:] = marks[:, :columns] = marks[:, -columns:] = cv2.GC_BGD
    if (marks == cv2.GC_PR_FGD).any():
        cv2.setRNGSeed(0)  # it clusters colours from random beginnings
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, marks, None, background, foreground, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (marks == cv2.GC_PR_FGD).astype(np.uint8)
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def border_contrast(picture: Frames) -> npt.NDArray[np.uint8]:
    """How far each pixel of a picture, uint8 RGB (H, W, 3), is from the colours of its borders: uint8 (H, W), the
    farthest 255. The border it is farthest from is left out: the foreground itself may lie there."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    rows, columns = (max(2, round(side * BORDER)) for side in picture.shape[:2])
    far = []
    for border in (lab[:rows], lab[-rows:], lab[:, :columns], lab[:, -columns:]):
        colours = border.reshape(-1, 3)
        spread = np.cov(colours.T, bias=True) + 10 * np.eye(3)  # no border is of one colour alone, seen through noise
        away = lab - colours.mean(axis=0)
        far.append(np.sqrt(np.einsum("hwi,ij,hwj->hw", away, np.linalg.inv(spread), away)))
    total = np.sum(np.sort(far, axis=0)[:3], axis=0)
    return (255 * total / max(float(total.max()), 1e-6)).astype(np.uint8)
