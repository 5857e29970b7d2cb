import numpy as np
import pytest

from diffscaler.faceswap.detections import gather, people
from diffscaler.faceswap.smooth import smooth_track
from diffscaler.faceswap.track import assigned, find_tracks
from diffscaler.media import TensorChunk
from tests.faceswap.moving import FPS, around, astronaut, meta_of, moved

FACE = np.array([[0, 0], [42, 3], [18, 22], [1, 41], [36, 43]], np.float32)
EYES = 42.0


def quick(count=60):
    """Landmarks of a head that shakes twice a second across three eye distances, nods, nears and tilts."""
    t = np.arange(count) / FPS
    scale, angle = 1 + 0.25 * np.sin(2 * np.pi * 0.7 * t), 0.3 * np.sin(2 * np.pi * 1.1 * t)
    turn = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], 1)
    shift = np.stack([200 + 63 * np.sin(2 * np.pi * 2 * t), 120 + 30 * np.sin(2 * np.pi * 1.3 * t)], 1)
    return np.einsum("kij,pj->kpi", turn * scale[:, None, None], FACE - FACE.mean(0)) + shift[:, None]


def box_of(landmarks):
    low, high = landmarks.min(-2), landmarks.max(-2)
    return np.concatenate([low - 20, high + 25], -1).astype(np.float32)


def tracks_of(faces, count, cut=(), scores=None):
    """faces: (frame, landmarks) pairs."""
    faces = sorted(faces, key=lambda face: face[0])
    landmarks = np.stack([face[1] for face in faces]).astype(np.float32)
    score = np.full(len(faces), 0.9, np.float32) if scores is None else np.float32(scores)
    flags = np.zeros(count, np.uint8)
    flags[list(cut)] = 1
    return find_tracks(np.int32([f[0] for f in faces]), box_of(landmarks), score, landmarks, flags, FPS)


def test_quick_movement_is_not_blurred():
    truth = quick()
    assert np.abs(smooth_track(truth, FPS) - truth).max() < 0.01 * EYES


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_shrinks_and_movement_stays(seed):
    print("seed", seed)
    noise = np.random.default_rng(seed).normal(0, 0.4, (60, 5, 2))
    truth = quick()
    smooth = smooth_track(truth + noise, FPS)
    assert np.sqrt(((smooth - truth) ** 2).mean()) < 0.9 * np.sqrt((noise**2).mean())
    assert np.sqrt(((smooth - truth) ** 2).mean()) < 0.01 * EYES
    resting = smooth_track(truth[:1] + noise, FPS)
    assert np.abs(np.diff(resting, 2, axis=0)).mean() < 0.15 * np.abs(np.diff(noise, 2, axis=0)).mean()


def test_smoothing_does_not_lag():
    rng = np.random.default_rng(5)
    print("seed 5")
    truth = quick(100)
    path = smooth_track(truth + rng.normal(0, 0.4, truth.shape), FPS)[:, 2, 0]
    true_path = truth[:, 2, 0]
    misses = {lag: np.abs(path[5 + lag : 95 + lag] - true_path[5:95]).mean() for lag in (-1, 0, 1)}
    assert misses[0] < 0.2 * min(misses[-1], misses[1])


def test_time_reversed_gives_the_same_smoothing():
    noisy = quick() + np.random.default_rng(9).normal(0, 0.4, (60, 5, 2))
    print("seed 9")
    assert np.allclose(smooth_track(noisy, FPS), smooth_track(noisy[::-1], FPS)[::-1], atol=1e-3)


def test_a_short_gap_is_filled_and_a_long_one_ends_the_track():
    path = quick(60)
    path = path[:1] + (np.arange(60) * 2)[:, None, None]
    short = tracks_of([(i, path[i]) for i in range(60) if not 20 <= i < 28], 60)
    assert [(t.start, t.stop) for t in short] == [(0, 60)]
    assert (short[0].rows[20:28] == -1).all() and (short[0].scores[20:28] == 0).all()
    assert np.abs(short[0].landmarks - path).max() < 0.5
    long = tracks_of([(i, path[i]) for i in range(60) if not 20 <= i < 40], 60)
    assert [(t.start, t.stop) for t in long] == [(0, 20), (40, 60)]


def test_two_people_passing_keep_their_tracks():
    left = FACE + np.float32([20, 100])
    faces = [(i, left + np.float32([8 * i, 0])) for i in range(40)] + [
        (i, left + np.float32([320 - 8 * i, 70])) for i in range(40)
    ]
    tracks = tracks_of(faces, 40)
    assert [(t.start, t.stop) for t in tracks] == [(0, 40), (0, 40)]
    for track in tracks:
        assert abs(abs(track.landmarks[-1, 0, 0] - track.landmarks[0, 0, 0]) - 8 * 39) < 2


def test_a_cut_ends_tracks_even_in_place():
    tracks = tracks_of([(i, FACE + 50) for i in range(30)], 30, cut=[12])
    assert [(t.id, t.start, t.stop) for t in tracks] == [(0, 0, 12), (1, 12, 30)]


def test_weak_faces_continue_tracks_but_begin_none():
    faces = [(i, FACE + 50) for i in range(10)]
    assert tracks_of(faces, 10, scores=[0.35] * 10) == []
    (track,) = tracks_of(faces, 10, scores=[0.9] + [0.35] * 9)
    assert (track.start, track.stop) == (0, 10)
    assert tracks_of([(4, FACE + 50)], 10, scores=[0.55]) == []


def test_the_largest_person_is_the_one_seen_most():
    small, large = FACE * 0.4 + 20, FACE + np.float32([200, 90])
    tracks = tracks_of([(i, small) for i in range(30)] + [(i, large) for i in range(5, 30)], 30)
    by_id = {track.id: track for track in tracks}
    (largest,) = assigned(tracks, ["largest"])
    assert by_id[largest].start == 5
    assert assigned(tracks, [(0, 99)]) == {0: 0}
    assert assigned(tracks, ["all"]) == dict.fromkeys(by_id, 0)
    assert assigned(tracks, ["all", (0,)]) == dict.fromkeys(by_id, 0) | {0: 1}
    assert assigned(tracks, [(0,), (0,)]) == {0: 0}


def test_landmarks_of_a_moving_face_are_right_and_steady(detector, around_stage):
    count = 20
    t = np.arange(count) / FPS
    matrices = [
        around((225, 115), (160 + 60 * np.sin(4 * s), 120 + 15 * np.sin(7 * s)), 0.9 + 0.2 * s, 20 * np.sin(5 * s))
        for s in t
    ]
    frames = moved(astronaut(), (150, 20, 300, 210), matrices, (321, 243))
    found = around_stage.detect(frames)
    (track,) = gather(found).tracks(FPS)
    assert (track.start, track.stop) == (0, count)
    still = detector.detect(astronaut()).landmarks[0]
    truth = np.stack([still @ m[:, :2].T + m[:, 2] for m in matrices])
    miss = (track.landmarks - truth) / np.linalg.norm(truth[:, 1] - truth[:, 0], axis=1)[:, None, None]
    assert np.abs(miss).mean() < 0.03 and np.abs(miss).max() < 0.12
    (person,) = people(found, meta_of(frames))
    assert (person.track, person.start, person.stop) == (0, 0, count) and person.confidence > 0.6


def test_an_empty_clip_has_no_people():
    shapes = {"frame": (), "box": (4,), "score": (), "landmarks": (5, 2), "look": (32, 32, 3)}
    tensors = {name: np.zeros((0, *shape), np.float32) for name, shape in shapes.items()}
    tensors |= {"frame": np.zeros(0, np.int32), "cut": np.zeros(7, np.uint8), "sure": np.float32([0.5])}
    empty = TensorChunk(tensors, 0, 7)
    assert gather([empty]).tracks(FPS) == []
