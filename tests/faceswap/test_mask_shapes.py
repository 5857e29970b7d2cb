"""What a mask is made of: an outline, what is allowed, soft edges, and the frames around."""

import numpy as np
import pytest

from diffscaler.faceswap.align import apply
from diffscaler.faceswap.crops import (
    ARCFACE_128,
    FFHQ,
    FRONTAL,
    MASK_SIZE,
    border,
    mask_for,
    traced_mask,
    traced_places,
)
from diffscaler.faceswap.head import LANDMARKS_MM, fit_pose
from diffscaler.faceswap.masks import SIDE, StoredMasks, compose, mask_rows
from diffscaler.media import TensorChunk
from tests.faceswap.moving import astronaut

STRAIGHT = fit_pose(np.array([[38.0, 51], [73, 51], [56, 71], [41, 92], [70, 92]]))


@pytest.mark.parametrize("template", [ARCFACE_128, FRONTAL, FFHQ], ids=lambda template: template.name)
def test_the_looks_are_laid_where_a_crop_shows_the_face(detector, template):
    points = detector.detect(astronaut()).landmarks[0]
    at = apply(template.cells(points, 256, MASK_SIZE), points)
    mask, places = traced_mask(at, MASK_SIZE), traced_places(at, MASK_SIZE)
    column, row = np.rint(at).astype(int).T
    off = np.linalg.norm(places[row, column] - LANDMARKS_MM[:, :2], axis=-1)
    print("mm off at eyes, nose and mouth:", off.round(1))
    assert off.max() < 4 and mask[row, column].min() > 0.9  # a cell is 3 to 4 mm


def test_a_mask_is_its_outline_times_what_is_allowed():
    outline = np.ones((64, 64), np.float32)
    allowed = np.ones((128, 128), np.float32)
    allowed[50:70, 50:70] = 0
    mask = compose(outline, [allowed, np.full((32, 32), 0.5, np.float32)], blur=0.0)
    assert mask.shape == (128, 128) and mask[60, 60] == 0 and np.isclose(mask[30, 60], 0.5)
    assert not mask[0].any() and not mask[:, -1].any()
    soft = compose(outline, [allowed], blur=0.02)
    assert not soft[allowed == 0].any() and 0.1 < soft[60, 71:75].mean() < 0.9 and soft[60, 85] > 0.98
    wide, narrow = (compose(mask_for(ARCFACE_128, 128, STRAIGHT), (), padding=share) for share in (0, 0.1))
    assert 0.4 * wide.sum() < narrow.sum() < 0.8 * wide.sum() and (narrow <= wide + 1e-6).all()
    assert np.array_equal(wide, np.minimum(mask_for(ARCFACE_128, 128, STRAIGHT), border(64)))


def stored(masks, first=0):
    rows = [(3, first + index, mask, True) for index, mask in enumerate(masks)]
    return StoredMasks([TensorChunk(mask_rows(rows), first, len(rows))])


def test_what_flickers_for_a_frame_is_dropped_and_an_edge_that_passes_is_neither_late_nor_blurred():
    moving = np.ones((9, SIDE, SIDE), np.float32)
    for index in range(9):
        moving[index, :, : 10 * index] = 0
    flickering = moving.copy()
    flickering[4] = 1 - flickering[4]
    masks = stored(flickering, 20)
    for index in (1, 2, 6, 7):
        assert np.array_equal(masks.at(3, 20 + index, 1), moving[index])
    assert np.abs(masks.at(3, 24, 1) - moving[4])[:, :30].max() == 0
    assert np.array_equal(masks.at(3, 24, 0), flickering[4])
    assert np.array_equal(masks.at(3, 20, 5), moving[0])  # nothing comes before it
    rng = np.random.default_rng(3)
    print("seed 3")
    noisy = stored(np.clip(rng.normal(0.5, 0.2, (30, SIDE, SIDE)), 0, 1))
    restless = [np.abs(np.diff([noisy.at(3, i, reach) for i in range(4, 26)], axis=0)).mean() for reach in (0, 1, 3)]
    print("change from frame to frame:", restless)
    assert restless[1] < 0.65 * restless[0] and restless[2] < 0.35 * restless[0]
    with pytest.raises(KeyError):
        noisy.at(3, 99, 1)
