import cv2
import numpy as np
import pytest

from diffscaler.faceswap.detect import roll_degrees
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.region import overlap
from diffscaler.faceswap.stage import SEARCH_EVERY
from tests.faceswap.moving import FPS, Surroundings, around, astronaut, meta_of, moved, somebody_else

FIELDS = ("frame", "box", "score", "landmarks", "look", "cut")
CENTRE, FACE = (225, 115), (150, 20, 300, 210)


class Counting:
    """A detector that notes the area of every picture it is given, in shares of a whole frame."""

    def __init__(self, detector, shape):
        self.detector, self.area, self.shares = detector, shape[0] * shape[1], []
        self.scale_of, self.session = detector.scale_of, detector.session

    def detect(self, frame, *rest, **named):
        self.shares.append(frame.shape[0] * frame.shape[1] / self.area)
        return self.detector.detect(frame, *rest, **named)


def path(count, size=(321, 243), step=4.0, degrees=0.0):
    """Where the astronaut's face goes: from left to right, nodding."""
    return [
        around(CENTRE, (90 + step * i, size[1] / 2 + 9 * np.sin(i / 3)), 0.55, degrees + 4 * np.sin(i / 4))
        for i in range(count)
    ]


def ground(count, size=(321, 243)):
    return moved(astronaut(), FACE, [around(CENTRE, (-900, -900), 0.5, 0)] * count, size)


@pytest.fixture(scope="module")
def eventful():
    """34 frames, odd in size: nobody, somebody from frame 5 on, a cut at 19, hidden in 26 and 27, gone from 31 on."""
    frames = np.concatenate([ground(5), moved(astronaut(), FACE, path(29), (321, 243))])
    there = [around((287, 126), (150 + i, 120), 0.6, i) for i in range(15)]
    frames[19:] = [
        cv2.warpAffine(somebody_else(), matrix, (321, 243), borderMode=cv2.BORDER_REPLICATE) for matrix in there
    ]
    for frame in frames[26:28]:
        cv2.rectangle(frame, (105, 40), (235, 215), (90, 80, 70), -1)
    frames[31:] = ground(3)
    return frames


def found_in(detector, frames, **options):
    return gather(Surroundings({"centerface": detector}).detect(frames, **options))


@pytest.mark.parametrize("size", [1, 3])
def test_chunks_leave_no_trace(detector, eventful, size):
    whole, parts = found_in(detector, eventful), found_in(detector, eventful, size=size)
    for name in FIELDS:
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


@pytest.mark.parametrize("start", [1, 7, 8, 15, 20, 27, 33])
def test_resuming_equals_a_full_run(detector, eventful, start):
    whole, rest = found_in(detector, eventful), found_in(detector, eventful, start=start)
    late = whole.frame >= start
    for name in FIELDS[:-1]:
        assert np.array_equal(getattr(whole, name)[late], getattr(rest, name)), name
    assert np.array_equal(whole.cut[start:], rest.cut)


def test_who_comes_between_two_searches_is_found_from_the_first_frame(detector, eventful):
    found = found_in(detector, eventful)
    counts = np.bincount(found.frame, minlength=len(eventful))
    assert counts.tolist() == [0] * 5 + [1] * 21 + [0] * 2 + [1] * 3 + [0] * 3
    assert np.flatnonzero(found.cut)[0] == 19


def test_most_frames_are_not_searched(detector):
    frames = moved(astronaut(), FACE, path(24, (641, 361)), (641, 361))
    counting = Counting(detector, frames.shape[1:])
    found = found_in(counting, frames)
    shares = np.array(counting.shares)
    assert len(found.frame) == 24
    assert (shares > 0.95).sum() == 24 / SEARCH_EVERY
    assert shares.sum() < 0.35 * 24


def test_followed_landmarks_are_those_of_a_whole_search(detector):
    frames = moved(astronaut(), FACE, path(16, (641, 361)), (641, 361))
    found = found_in(detector, frames)
    whole = np.stack([detector.detect(frame).landmarks[0] for frame in frames])
    eyes = np.linalg.norm(whole[:, 1] - whole[:, 0], axis=1).mean()
    assert np.linalg.norm(found.landmarks - whole, axis=-1).mean() < 0.01 * eyes


def test_a_face_that_nears_is_followed_through_its_sizes(detector):
    """From 25 to 230 px: seen enlarged, as in the whole frame, and shrunk, without a jump where one ends."""
    scales = np.geomspace(0.2, 1.7, 40)
    matrices = [around(CENTRE, (360, 270), scale, 0) for scale in scales]
    found = found_in(detector, moved(astronaut(), FACE, matrices, (720, 540)))
    assert found.frame.tolist() == list(range(40))
    eyes = np.linalg.norm(found.landmarks[:, 1] - found.landmarks[:, 0], axis=1)
    nose = (found.landmarks[:, 2] - (360, 270)) / eyes[:, None]
    assert np.abs(np.diff(nose[8:], axis=0)).max() < 0.12
    (track,) = found.tracks(FPS)
    assert (track.start, track.stop) == (0, 40)


@pytest.mark.parametrize("degrees", [-90, 60, 90, 180])
def test_a_face_lying_on_its_side_is_found_and_followed(detector, degrees):
    matrices = path(18, (401, 301), 6, degrees)
    found = found_in(detector, moved(astronaut(), FACE, matrices, (401, 301)))
    assert found.frame.tolist() == list(range(18))
    upright = detector.detect(astronaut()).landmarks[0]
    truth = np.stack([upright @ m[:, :2].T + m[:, 2] for m in matrices])
    eyes = np.linalg.norm(truth[0, 1] - truth[0, 0])
    assert np.abs(found.landmarks - truth).mean() < 0.1 * eyes
    print("scores", found.score.round(2).tolist())
    rolls = np.array([roll_degrees(points) for points in found.landmarks])
    assert np.abs((rolls + degrees + 180) % 360 - 180).max() < 15
    (track,) = found.tracks(FPS)
    assert (track.start, track.stop) == (0, 18)


def test_faces_that_cross_are_found_once_each(detector):
    size, count = (481, 301), 24
    there = moved(astronaut(), FACE, [around(CENTRE, (90 + 12 * i, 100), 0.5, 0) for i in range(count)], size)
    back = moved(
        somebody_else(), (200, 10, 370, 240), [around((287, 126), (390 - 12 * i, 200), 0.5, 0) for i in range(count)],
        size,
    )  # fmt: skip
    frames = np.concatenate([there[:, :150], back[:, 150:]], axis=1)
    found = found_in(detector, frames)
    assert np.bincount(found.frame).tolist() == [2] * count
    first, second = found.tracks(FPS)
    assert (first.start, first.stop, second.start, second.stop) == (0, count, 0, count)
    assert all(abs(track.landmarks[0, 2, 0] - track.landmarks[-1, 2, 0]) > 250 for track in (first, second))


def test_stop_is_asked_about_at_every_frame(detector, eventful):
    around_stage, seen = Surroundings({"centerface": detector}), []
    context = around_stage.context()
    context.step = lambda done, total, what: seen.append((done, total))
    from diffscaler.faceswap.stage import DetectFaces, DetectFacesParams
    from diffscaler.media import Stream
    from tests.faceswap.moving import DETECTOR, chunked

    source = Stream(meta_of(eventful[:9]), chunked(eventful[:9], 4))
    list(DetectFaces(DetectFacesParams(), (DETECTOR,)).run((source,), context))
    assert list(dict.fromkeys(seen)) == [(index, 9) for index in range(9)]


def test_overlap_is_a_share():
    from diffscaler.faceswap.region import Seen

    one, other = (
        Seen(np.float32(box), 1.0, np.zeros((5, 2), np.float32), np.zeros(2, np.float32))
        for box in ([0, 0, 10, 10], [5, 0, 15, 10])
    )
    assert overlap(one, other) == pytest.approx(1 / 3)
