import numpy as np
import pytest

from diffscaler.faceswap.align import align_face, apply, inverse, similarity, template
from diffscaler.faceswap.appearance import seen, skin_tone, unroll
from diffscaler.faceswap.blend import blend_bands
from diffscaler.faceswap.head import LANDMARKS_MM, cast, fit_pose, place, turn
from diffscaler.faceswap.ranges import missing_note
from tests.faceswap.moving import astronaut

SCALE = 0.8  # pixels per mm


def posed(yaw, pitch, roll):
    """Landmarks of the generic head, turned by degrees, 0.8 px per mm."""
    angles = np.radians([yaw, pitch, roll])
    return LANDMARKS_MM @ turn(*angles)[:2].T * SCALE + (300, 200)


@pytest.mark.parametrize("yaw", [-55, -20, 0, 35, 60])
@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (8, 30), (-10, -150)])
def test_a_turned_head_is_recognised_as_turned(yaw, pitch, roll):
    pose = fit_pose(posed(yaw, pitch, roll))
    assert abs(np.degrees(pose.yaw) - yaw) < 6
    assert abs(pose.scale - SCALE) < 0.06 * SCALE
    assert np.abs(pose.misses).max() < 1.5


@pytest.mark.parametrize("yaw", [-50, 0, 25])
def test_looking_at_the_surface_and_placing_it_are_inverse(yaw):
    pose = fit_pose(posed(yaw, 5, 10) + np.random.default_rng(4).normal(0, 2, (5, 2)))
    print("seed 4")
    points = np.stack(np.meshgrid(np.arange(275, 325, 3.0), np.arange(205, 260, 3.0)), axis=2)
    where, hit = cast(pose, points)
    assert hit.mean() > 0.85  # at 50 degrees the leftmost points lie beyond the far cheek
    assert np.abs(place(pose, where[..., 0], where[..., 1]) - points)[hit].mean() < 0.3


def test_landmarks_fall_where_they_were_seen():
    landmarks = posed(30, 0, 5) + np.random.default_rng(6).normal(0, 2, (5, 2))
    print("seed 6")
    placed = place(fit_pose(landmarks), LANDMARKS_MM[:, 0], LANDMARKS_MM[:, 1])
    assert np.abs(placed - landmarks).max() < 0.6


def test_coinciding_landmarks_are_refused():
    with pytest.raises(ValueError, match="coincide"):
        fit_pose(np.ones((5, 2)))


def test_skin_is_skin_coloured(detector):
    pose = fit_pose(detector.detect(astronaut()).landmarks[0])
    tone = skin_tone(unroll(astronaut(), pose), seen(pose))
    assert 65 < tone.mean[0] < 85 and 4 < tone.mean[1] < 16 and 10 < tone.mean[2] < 25
    assert tone.dark > 10


@pytest.mark.parametrize("size", [112, 128, 256, 512])
def test_aligned_crops_put_landmarks_on_the_template(size):
    turned = similarity(template(112), template(112) * 1.7 @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + (90, 200))
    landmarks = apply(turned, template(112)).astype(np.float32)
    _, matrix = align_face(astronaut(), landmarks, size)
    assert np.abs(apply(matrix, landmarks) - template(size)).max() < 1e-3
    assert np.allclose(apply(inverse(matrix), apply(matrix, landmarks)), landmarks)


def test_bands_blend_without_a_seam_and_keep_the_outside():
    under, over = np.full((90, 121, 3), 40, np.float32), np.full((90, 121, 3), 200, np.float32)
    mask = np.zeros((90, 121), np.float32)
    mask[:, 60:] = 1
    mixed = blend_bands(under, over, mask, 4)
    assert np.abs(np.diff(mixed[45, :, 0])).max() < 20
    assert np.abs(mixed[45, :20] - 40).max() < 1 and np.abs(mixed[45, -20:] - 200).max() < 1


def test_notes_name_ranges():
    covered = np.ones(100, bool)
    assert missing_note(covered, 25) is None
    covered[7] = False
    assert missing_note(covered, 25) == "No face was found in frame 7 (0:00.3); it is unchanged."
    covered[20:47] = False
    assert (
        missing_note(covered, 25)
        == "No face was found in frames 7 (0:00.3), 20-46 (0:00.8-0:01.9); they are unchanged."
    )
    covered[50::2] = False
    assert missing_note(covered, 25).count("(") == 5 and "more frames" in missing_note(covered, 25)
