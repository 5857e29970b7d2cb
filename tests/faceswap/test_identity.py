from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.align import align_face
from diffscaler.faceswap.detections import gather, people
from diffscaler.faceswap.identity import _alike, clearest, mean_vector, people_of
from diffscaler.faceswap.identity_stage import (
    MOST_FRAMES,
    IdentifyPeople,
    IdentifyPeopleParams,
    vectors_of,
)
from diffscaler.faceswap.inswapper import load_recognizer
from diffscaler.faceswap.people import read_people
from diffscaler.faceswap.people_stage import ListPeople, ListPeopleParams
from diffscaler.media import Stream
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import FPS, around, astronaut, chunked, meta_of, somebody_else
from tests.faceswap.tiny_onnx import Spec


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


def identified(around, frames, found, size=8, start=0):
    stage = IdentifyPeople(IdentifyPeopleParams(), (ModelRef(name="arcface", revision="1"),))
    faces = Stream(meta_of(frames).change(kind="tensors"), iter(found))
    return list(stage.run((Stream(meta_of(frames), chunked(frames, size, start)), faces), around.context(start)))


@pytest.fixture
def recogniser(tmp_path, around_stage):
    around_stage.models["arcface"] = load_recognizer(Spec(tiny_onnx.arcface(tmp_path / "w600k_r50.onnx")))
    return around_stage.models["arcface"]


def test_a_track_is_its_clearest_frames_on_the_average(around_stage, conversation, recogniser):
    found = around_stage.detect(conversation)
    chunks = identified(around_stage, conversation, found)
    vectors = vectors_of(chunks)
    for track in gather(found).tracks(FPS):
        frames = clearest(track, MOST_FRAMES)
        assert len(frames) == MOST_FRAMES
        at = [frame - track.start for frame in frames]
        each = [recogniser.embed(conversation[f], track.landmarks[a]) for f, a in zip(frames, at, strict=True)]
        mean = (np.stack(each) * track.scores[at][:, None]).sum(0)
        assert np.allclose(vectors[track.id], mean / np.linalg.norm(mean), atol=1e-5)
    late = {name: value[chunks[0].tensors["frame"] < 0] for name, value in chunks[0].tensors.items()}
    for size, start in ((1, 0), (3, 0), (7, 25)):
        parts = identified(around_stage, conversation, found, size, start)
        assert parts[0].start == start and sum(part.count for part in parts) == 40 - start
        for name in late:
            whole, again = (np.concatenate([part.tensors[name] for part in rows]) for rows in (chunks, parts))
            assert np.array_equal(again, whole[np.concatenate([c.tensors["frame"] for c in chunks]) >= start])
    assert any("ArcFace" in note for note in around_stage.notes)


def listed(around, frames, *inputs):
    """Numbers of who each track is."""
    streams = tuple(Stream(meta_of(frames).change(kind="tensors"), iter(chunks)) for chunks in inputs)
    everyone = read_people(ListPeople(ListPeopleParams(), ()).run(streams, around.context()))
    return [person.person for person in sorted(everyone, key=lambda person: person.track)]


def test_people_are_those_whom_the_recogniser_tells_apart(around_stage, conversation):
    """A recogniser that goes by how red a face is: it joins shots in unlike light, which the looks do not."""
    dim = conversation.copy()
    dim[20:30] = dim[20:30] // 3
    ruddy = np.linalg.qr(np.random.default_rng(8).normal(size=(512, 2)))[0].T.astype(np.float32)
    print("seed 8")
    shades = []

    def embed(frame, landmarks):
        mean = align_face(frame, landmarks, 112)[0][48:88, 36:76].mean((0, 1))
        shades.append(mean[0] / mean[2])
        return ruddy[int(shades[-1] > 1.55)]

    around_stage.models["arcface"] = SimpleNamespace(
        embed=embed, session=SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    )
    found = around_stage.detect(dim)
    vectors = identified(around_stage, dim, found)
    by_vectors, by_looks = (listed(around_stage, dim, found, *more) for more in ((vectors,), ()))
    print("how red:", np.round(shades[::MOST_FRAMES], 2))
    assert by_vectors == [0, 1, 0, 1] and by_looks == [0, 1, 2, 1]


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
