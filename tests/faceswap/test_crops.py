import cv2
import numpy as np
import pytest

from diffscaler.faceswap.align import apply
from diffscaler.faceswap.colour_match import LINEAR, match_colour
from diffscaler.faceswap.crops import ARCFACE_128, FFHQ, FRONTAL, MASK_SIZE, cut, mask_for, paste, traced_mask
from diffscaler.faceswap.head import fit_pose
from tests.faceswap.moving import astronaut, somebody_else

ONES = np.ones((MASK_SIZE, MASK_SIZE), np.float32)


@pytest.fixture(scope="module")
def landmarks(detector):
    return detector.detect(astronaut()).landmarks[0]


@pytest.mark.parametrize("template", [ARCFACE_128, FRONTAL, FFHQ], ids=lambda template: template.name)
def test_crops_put_the_landmarks_where_the_network_wants_them(landmarks, template):
    crop, matrix = cut(astronaut(), template, landmarks, 256)
    assert crop.shape == (256, 256, 3)
    assert np.abs(apply(matrix, landmarks) - np.array(template.points) * 256).max() < 12  # people differ


@pytest.mark.parametrize("size", [128, 512])
def test_pasting_back_changes_only_what_the_mask_says(landmarks, size):
    frame = astronaut()
    crop, matrix = cut(frame, ARCFACE_128, landmarks, size)
    for mask, face, away in ((ONES, crop, 0), (0 * ONES, 255 - crop, 0), (ONES, 255 - crop, 9000)):
        made = frame.copy()
        paste(made, face, matrix - [[0, 0, away], [0, 0, 0]], mask)
        apart = np.abs(made.astype(int) - frame)
        assert apart.mean() < 0.5 and ((mask is ONES and not away) or apart.max() == 0)


def test_a_mask_leaves_the_rest_of_the_frame_alone(landmarks):
    frame = astronaut()
    crop, matrix = cut(frame, ARCFACE_128, landmarks, 256)
    mask = mask_for(ARCFACE_128, 256, fit_pose(landmarks))
    made = frame.copy()
    paste(made, 255 - crop, matrix, mask)
    y, x = np.mgrid[:512, :512]
    inside = apply(matrix, np.stack([x, y], -1))
    outside = ((inside < 4) | (inside > 251)).any(-1)
    assert np.array_equal(made[outside], frame[outside])
    nose = tuple(landmarks[2].astype(int)[::-1])
    assert np.abs(made[nose].astype(int) + frame[nose] - 255).max() < 20


def test_a_face_half_outside_the_frame_is_pasted(landmarks):
    frame = np.ascontiguousarray(astronaut()[:, int(landmarks[2][0]) :])
    points = landmarks - [int(landmarks[2][0]), 0]
    crop, matrix = cut(frame, ARCFACE_128, points, 128)
    made = frame.copy()
    paste(made, 255 - crop, matrix, mask_for(ARCFACE_128, 128, fit_pose(points)))
    assert np.abs(made[:, :20].astype(int) - frame[:, :20]).max() > 60


def test_masks_mixed_from_a_few_are_like_those_traced(detector):
    for picture in (astronaut(), somebody_else(), np.ascontiguousarray(astronaut()[:, ::-1])):
        points = detector.detect(picture).landmarks[0]
        own = traced_mask(apply(ARCFACE_128.cells(points, 128, MASK_SIZE), points), MASK_SIZE)
        assert np.abs(own - mask_for(ARCFACE_128, 128, fit_pose(points))).mean() < 0.03


def test_colours_move_towards_the_targets_in_linear_light(landmarks):
    crop, _ = cut(astronaut(), ARCFACE_128, landmarks, 128)
    mask = mask_for(ARCFACE_128, 128, fit_pose(landmarks))
    blue = np.clip(crop * np.array([0.6, 0.7, 0.95]), 0, 255).astype(np.uint8)
    shift = {}
    for strength in (0.0, 0.5, 1.0):
        made = match_colour(crop, blue, mask, strength)
        light = [cv2.resize(LINEAR[picture], mask.shape) for picture in (made, blue)]
        shift[strength] = np.abs(((light[0] - light[1]) * mask[..., None]).sum((0, 1)) / mask.sum()).max()
    assert shift[1.0] < 0.02 < 0.4 * shift[0.0]
    assert 0.4 < shift[0.5] / shift[0.0] < 0.6
    assert match_colour(crop, blue, mask, 0) is crop
    assert np.abs(match_colour(crop, crop, mask, 1.0).astype(int) - crop).max() <= 1
