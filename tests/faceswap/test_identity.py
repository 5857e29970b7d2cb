from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.detections import gather, people
from diffscaler.faceswap.identity import _alike, clearest, mean_vector, people_of
from tests.faceswap.moving import FPS, around, astronaut, meta_of, somebody_else


def shot(photo, centre, count, scale=0.8, light=1.0, shift=(0, 0)):
    """Somebody in front of what stands in the photo, swaying: uint8 RGB (count, 241, 321, 3)."""
    matrices = [around(centre, (160 + shift[0] + i, 120 + shift[1]), scale, 4 * np.sin(i / 2)) for i in range(count)]
    frames = [cv2.warpAffine(photo, m, (321, 241), borderMode=cv2.BORDER_REPLICATE) for m in matrices]
    return np.clip(np.stack(frames) * light, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def conversation():
    """Two people shown in turn, four shots of ten frames; the second time a little further away, in other light."""
    one, other = (astronaut(), (225, 115)), (somebody_else(), (287, 126))
    return np.concatenate(
        [shot(*one, 10), shot(*other, 10), shot(*one, 10, 0.72, 0.75, (-3, 2)), shot(*other, 10, 0.7, 1.3, (-14, 5))]
    )


def test_two_people_in_four_shots_are_two(around_stage, conversation):
    found = around_stage.detect(conversation)
    faces = gather(found)
    assert np.flatnonzero(faces.cut).tolist() == [10, 20, 30]
    tracks = faces.tracks(FPS)
    assert [(track.start, track.stop) for track in tracks] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert all((track.weights == 1).all() for track in tracks)
    assert people_of(tracks, faces) == [[0, 2], [1, 3]]
    assert {person.track: person.person for person in people(found, meta_of(conversation))} == {0: 0, 1: 1, 2: 0, 3: 1}


def test_vectors_decide_where_there_are_any(around_stage, conversation):
    faces = gather(around_stage.detect(conversation))
    tracks = faces.tracks(FPS)
    rng = np.random.default_rng(8)
    print("seed 8")
    basis = np.linalg.qr(rng.normal(size=(512, 3)))[0].T.astype(np.float32)
    vectors = {0: basis[0], 1: basis[1], 2: basis[2], 3: mean_vector([basis[0], 0.6 * basis[2]])}
    assert people_of(tracks, faces, vectors) == [[0, 3], [1], [2]]
    assert people_of([], faces) == []


def test_a_group_is_as_alike_as_its_least_alike(around_stage, conversation):
    """0 and 1 are alike, 1 and 2 too, 0 and 2 are not: nobody is joined through a third."""
    faces = gather(around_stage.detect(conversation))
    tracks = faces.tracks(FPS)[:3]
    angles = np.radians([0, 50, 110])
    vectors = {i: np.float32([np.cos(a), np.sin(a)]) for i, a in enumerate(angles)}
    assert people_of(tracks, faces, vectors) == [[0, 1], [2]]


def grouped_slowly(alike):
    """Complete linkage as it is defined, pair by pair."""
    groups = [[index] for index in range(len(alike))]
    while True:
        pairs = [(alike[np.ix_(a, b)].min(), -a[0], -b[0]) for i, a in enumerate(groups) for b in groups[i + 1 :]]
        if not pairs or max(pairs)[0] < 0:
            return sorted(groups)
        _, one, other = max(pairs)
        a, b = (next(group for group in groups if group[0] == -first) for first in (one, other))
        groups = sorted([*(g for g in groups if g is not a and g is not b), sorted(a + b)])


def test_many_are_grouped_as_few_are():
    rng = np.random.default_rng(11)
    for count in (1, 7, 20):
        starts = rng.integers(0, 200, count)
        tracks = [SimpleNamespace(id=i + 3, start=int(s), stop=int(s) + 9) for i, s in enumerate(starts)]
        vectors = {}
        for track in tracks:
            row = rng.normal(size=3)
            vectors[track.id] = (row / np.linalg.norm(row)).astype(np.float32)
        alike = _alike(tracks, vectors, {})
        groups = people_of(tracks, None, vectors)
        assert groups == [[tracks[i].id for i in group] for group in grouped_slowly(alike)]


def test_two_in_one_picture_are_never_one(around_stage):
    """Twins: the same face twice."""
    single = shot(astronaut(), (225, 115), 9, 0.6)
    twins = np.concatenate([single[:, :, 60:260], single[:, :, 60:260]], axis=2)
    faces = gather(around_stage.detect(twins))
    tracks = faces.tracks(FPS)
    assert len(tracks) == 2 and people_of(tracks, faces) == [[0], [1]]
    assert people_of(tracks, faces, {0: np.float32([1, 0]), 1: np.float32([1, 0])}) == [[0], [1]]


def test_the_mean_weighs(around_stage, conversation):
    one, other = np.float32([1, 0]), np.float32([0, 1])
    assert np.allclose(mean_vector([one, other]), np.sqrt(0.5))
    assert np.allclose(mean_vector([one, other], [1, 0]), one)
    track = gather(around_stage.detect(conversation[:10])).tracks(FPS)[0]
    best = clearest(track, 4)
    assert len(best) == 4 and best == sorted(best) and track.best in best
