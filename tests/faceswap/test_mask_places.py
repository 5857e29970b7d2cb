"""Masks lie where they belong, to a fraction of a pixel: coarse cells, crops of any size, and frames share centres."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.builtin import project
from diffscaler.faceswap.crops import ARCFACE_128, FFHQ, FRONTAL, Template, border, mask_for, paste
from diffscaler.faceswap.head import LANDMARKS_MM, fit_pose, turn
from diffscaler.faceswap.mask_params import MaskParams
from diffscaler.faceswap.masks import CROP, FaceMasks, StoredMasks, mask_rows, stored_crop
from diffscaler.faceswap.track import Track
from diffscaler.media import TensorChunk

SIDE = 300  # of the frame, pixels
#: A face that looks straight ahead, a little tilted, eyes 50 px apart, at no whole pixel.
FACE = (LANDMARKS_MM @ turn(0.0, 0.0, 0.12)[:2].T * 0.8 + (151.3, 118.7)).astype(np.float32)
TEMPLATES = pytest.mark.parametrize("template", [ARCFACE_128, FRONTAL, FFHQ], ids=lambda template: template.name)
SIZES = pytest.mark.parametrize("size", [128, 256, 512])


def centroid(picture: Any) -> Any:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()


def pasted(template: Template, size: int, mask: Any) -> Any:
    """The weights with which a crop's pixels replace the frame's: float (SIDE, SIDE), 0..1."""
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    paste(frame, np.full((size, size, 3), 255, np.uint8), template.matrix(FACE, size), mask)
    return frame[..., 0] / 255


@TEMPLATES
@SIZES
def test_the_generic_face_is_pasted_where_it_is_seen(template: Template, size: int) -> None:
    where = pasted(template, size, mask_for(template, size, fit_pose(FACE)))
    coarse = project(fit_pose(FACE), (0, 0, SIDE, SIDE))[1]
    meant = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(border(size), template.matrix(FACE, size), (SIDE, SIDE), flags=cv2.WARP_INVERSE_MAP)
    off = centroid(where) - centroid(meant * inside)  # a tight crop cuts the chin
    print("pixels off:", off.round(3))
    assert np.abs(off).max() < 0.1


@TEMPLATES
@SIZES
def test_what_a_network_sees_is_pasted_where_it_saw_it(template: Template, size: int) -> None:
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.ellipse(frame, (1200, 1100), (120, 64), 30, 0, 360, (255, 255, 255), -1, cv2.LINE_AA, 3)  # eighths of a pixel
    seen = stored_crop(frame, FACE, CROP)[..., 0].astype(np.float32) / 255
    track = Track(
        0, 0, rows=np.array([0]), boxes=np.zeros((1, 4), np.float32), scores=np.ones(1, np.float32),
        landmarks=FACE[None], weights=np.ones(1, np.float32),
    )  # fmt: skip
    stored = StoredMasks([TensorChunk(mask_rows([(0, 0, seen, True)]), 0, 1)])
    masks = FaceMasks(MaskParams(masks=("parsing",)), [track], 25, {"parsing": stored}, lambda: {})
    where = pasted(template, size, masks.crop(template, size, track, 0, ("parsing",)))
    off = centroid(where) - centroid(frame[..., 0])
    print("pixels off:", off.round(3))
    assert np.abs(off).max() < 0.1
