import numpy as np

from diffscaler.faceswap.fades import _distance, fade_weights, outside, turned_away
from diffscaler.faceswap.head import LANDMARKS_MM, turn
from diffscaler.faceswap.track import find_tracks, yaws_of

FPS = 24  # a fade lasts six frames
INSIDE = np.tile(np.float32([100, 50, 160, 130]), (40, 1))
SIZE = (320, 180)
FRONTAL = np.zeros(40)


def weights_of(yaws=FRONTAL, boxes=INSIDE, begins=False, ends=False):
    return fade_weights(yaws, boxes, FPS, SIZE, begins, ends)


def test_a_face_in_view_is_replaced_wholly():
    assert (weights_of() == 1).all() and weights_of().dtype == np.float32


def test_distances_are_those_to_the_nearest_hidden_frame():
    rng = np.random.default_rng(4)
    for share in (0.02, 0.3, 0.9, 1.0):
        hidden = rng.random(60) < share
        hidden[rng.integers(60)] = True
        expected = np.abs(np.arange(60)[:, None] - np.flatnonzero(hidden)).min(1)
        assert np.array_equal(_distance(hidden), expected)
    assert np.isinf(_distance(np.zeros(3, bool))).all()
    assert _distance(np.arange(300_000) % 2 == 0).max() == 1  # an hour and more


def test_a_profile_is_left_alone_and_reached_by_a_fade():
    yaws = np.concatenate([np.linspace(0, 80, 20), np.linspace(80, 0, 20)])
    weights = weights_of(yaws)
    assert (weights[np.abs(yaws) > 60] == 0).all() and weights[0] == weights[-1] == 1
    assert np.abs(np.diff(weights)).max() < 0.3
    assert np.array_equal(weights, weights_of(-yaws)) and np.allclose(weights[:12], np.sort(weights[:12])[::-1])


def test_the_limit_does_not_flicker():
    yaws = 60 + 2 * np.sin(np.arange(40) * 2.0)
    away = turned_away(yaws)
    assert (np.diff(away.astype(int)) != 0).sum() == 1


def test_a_face_leaving_the_frame_fades_before_it_is_half_gone():
    boxes = INSIDE + np.float32([1, 0, 1, 0]) * np.arange(40, dtype=np.float32)[:, None] * 5
    weights = weights_of(boxes=boxes)
    gone = outside(boxes, SIZE)
    assert gone[-1] and not gone[30] and (weights[gone] == 0).all() and weights[20] == 1
    assert not outside(boxes, None).any()


def test_who_comes_and_goes_within_the_shot_fades_in_and_out():
    weights = weights_of(begins=True, ends=True)
    assert 0 < weights[0] < 0.15 and 0 < weights[-1] < 0.15 and (weights[6:-6] == 1).all()
    assert np.allclose(weights, weights[::-1])
    brief = fade_weights(FRONTAL[:3], INSIDE[:3], FPS, SIZE, True, True)
    assert brief.max() == 1


def posed(yaw):
    """Landmarks of the generic head (5, 2) turned by degrees."""
    flat = LANDMARKS_MM @ turn(np.radians(yaw), 0.0, 0.0)[:2].T
    return (flat * 0.6 + (160, 60)).astype(np.float32)


def test_yaws_are_read_from_landmarks():
    degrees = np.array([-70, -60, -30, 0, 30, 50, 60, 70])
    assert np.abs(yaws_of(np.stack([posed(yaw) for yaw in degrees])) - degrees).max() < 4


def tracks_of(yaws, cut=(), first=0, count=None):
    points = np.stack([posed(yaw) for yaw in yaws])
    frame = np.arange(first, first + len(yaws), dtype=np.int32)
    box = np.concatenate([points.min(1) - 12, points.max(1) + 12], axis=1).astype(np.float32)
    flags = np.zeros(count or first + len(yaws), np.uint8)
    flags[list(cut)] = 1
    return find_tracks(frame, box, np.full(len(yaws), 0.9, np.float32), points, flags, FPS, size=SIZE)


def test_tracks_know_cuts_from_comings_and_goings():
    (whole,) = tracks_of([0] * 30)
    assert (whole.weights == 1).all()
    for track in tracks_of([0] * 30, cut=[12]):
        assert (track.weights == 1).all()
    (visitor,) = tracks_of([0] * 20, first=10, count=40)
    assert visitor.weights[0] < 0.15 and visitor.weights[-1] < 0.15 and visitor.weights[10] == 1
    (turning,) = tracks_of(np.concatenate([np.zeros(12), np.linspace(0, 70, 14), [70] * 8]))
    assert turning.weights[0] == 1 and (turning.weights[-8:] == 0).all()
