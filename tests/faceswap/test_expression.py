from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.appearance import grid_mm, to_lab, unroll
from diffscaler.faceswap.builtin import prepare_reference
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.engines import PreviewSwapper, places_in, track_tones
from diffscaler.faceswap.expression import Expression, acting, eyes_mask, mouth_mask, track_expressions
from diffscaler.faceswap.head import fit_poses, look_up, place, surface
from diffscaler.faceswap.occlusion import drawable
from diffscaler.faceswap.smooth import noise_level
from tests.faceswap.acting import perform
from tests.faceswap.moving import FPS, astronaut, somebody_else, still

CLIPS = Path(__file__).parents[2].parent / "shared/data/clips"

COUNT = 44
SECONDS = np.arange(COUNT) / FPS
JAW_MM = np.where((SECONDS > 0.9) & (SECONDS < 1.6), 9 * np.clip(np.sin(2 * np.pi * 2.9 * (SECONDS - 0.9)), 0, 1), 0)
CLOSED = np.clip(1.5 - np.abs(np.arange(COUNT) - 9) / 2, 0, 1)  # a blink around frame 9
BROWS_MM = 6 * np.clip(1 - np.abs(np.arange(COUNT) - 17) / 4, 0, 1)


@pytest.fixture(scope="module")
def rest(detector):
    """A calm face, 200x200, and its landmarks: the performer's photo cannot play, so the target is somebody else."""
    face = cv2.resize(somebody_else()[:300, 130:430], (200, 200), interpolation=cv2.INTER_AREA)
    return face, detector.detect(face).landmarks[0]


@pytest.fixture(scope="module")
def play(rest):
    """A blink, raised brows and two open mouths, with a camera's noise."""
    face, landmarks = rest
    rng = np.random.default_rng(5)
    print("seed 5")
    frames = [perform(face, landmarks, *how) for how in zip(JAW_MM, CLOSED, BROWS_MM, strict=True)]
    return np.clip(np.stack(frames) + rng.normal(0, 1.5, (COUNT, *face.shape)), 0, 255).astype(np.uint8)


@pytest.fixture
def followed(around_stage):
    def follow(frames):
        faces = replace(gather(around_stage.detect(frames)), cut=np.zeros(len(frames), np.uint8))
        tracks = faces.tracks(FPS)
        return faces, tracks, fit_poses(tracks[0].landmarks)

    return follow


@pytest.fixture
def swapped(detector, followed):
    """Frames with the performer's face, and the poses of the faces in them."""
    reference = prepare_reference(astronaut(), detector.detect(astronaut()).landmarks[0])

    def swap(frames, **params):
        faces, tracks, poses = followed(frames)
        swapper = PreviewSwapper({track.id: [reference] for track in tracks}, faces, tracks, FPS, 1.0, **params)
        return swapper.swap(frames, places_in(tracks, 0, len(frames)), lambda _: None), poses

    return swap


def lightness(frame, pose, x, y):
    """L at face-plane places."""
    column, row = np.rint(place(pose, x, y)).astype(int).transpose(2, 0, 1)
    return to_lab(frame)[row, column, 0]


LIPS = np.meshgrid(np.linspace(-12, 12, 9), np.linspace(70, 86, 9))
EYES = np.meshgrid(np.r_[np.linspace(-38, -25, 8), np.linspace(25, 38, 8)], np.linspace(-4, 5, 8))


def test_jaw_and_brows_are_read_with_their_direction_and_timing(followed, play):
    faces, (track,), poses = followed(play)
    played = track_expressions(track, poses, faces, np.ones((COUNT, 32, 32), np.float32), FPS)
    shift = np.stack([each.shift for each in played])[..., 1]
    jaw, brows = -shift[:, 13:15, 6:10].mean((1, 2)), shift[:, 2:4, 3:13].mean((1, 2))
    assert np.corrcoef(jaw, JAW_MM)[0, 1] > 0.85 and jaw[JAW_MM > 8].mean() > 3
    assert np.corrcoef(brows, BROWS_MM)[0, 1] > 0.8
    acts = np.array([(each.mouth, each.eyes) for each in played])
    assert (acts[JAW_MM > 4, 0] > 0.9).all() and acts[:9, 0].max() < 0.1  # the mouth is kept between two words
    assert (acts[CLOSED > 0.9, 1] > 0.6).all() and acts[CLOSED == 0, 1][4:].max() < 0.4


def test_a_still_face_keeps_the_photos_expression(followed, rest):
    frames = still(rest[0], 12)
    faces, (track,), poses = followed(frames)
    played = track_expressions(track, poses, faces, np.ones((12, 32, 32), np.float32), FPS)
    assert max(max(each.mouth, each.eyes) for each in played) == 0
    assert max(np.abs(each.shift).max() for each in played) < 0.2


def test_blinks_and_speech_show_and_eyes_at_rest_are_the_performers(swapped, play):
    speaking, opened, lids = slice(22, 40), {}, {}
    for amount in (0, 1):
        frames, poses = swapped(play, expression=amount)
        dark = [lightness(frame, pose, *LIPS).mean() for frame, pose in zip(frames, poses, strict=True)]
        assert np.corrcoef(dark[speaking], JAW_MM[speaking])[0, 1] < -0.9
        opened[amount] = -np.polyfit(JAW_MM[speaking], dark[speaking], 1)[0]  # L per mm
        apart = [lightness(frames[i], poses[i], *EYES) - lightness(play[i], poses[i], *EYES) for i in (2, 9)]
        lids[amount] = [np.abs(each).mean() for each in apart]
    truly = [lightness(frame, pose, *LIPS).mean() for frame, pose in zip(play, poses, strict=True)]
    wanted = -np.polyfit(JAW_MM[speaking], truly[speaking], 1)[0]
    assert opened[1] > 0.75 * wanted and opened[0] < 0.6 * wanted, (opened, wanted)
    assert lids[1][1] < 0.6 * lids[0][1] and lids[1][0] > 0.8 * lids[0][0], lids


def test_light_that_flickers_falls_on_the_drawn_face(swapped, rest):
    frames = still(rest[0], 24).astype(np.float32)
    frames[8:10] *= 0.78
    frames[16:] *= (0.92, 0.84, 0.75)
    frames = frames.astype(np.uint8)
    result, poses = swapped(frames)
    skin = look_up(surface().skin, grid_mm()) > 0.7
    was, now = (
        np.array([to_lab(unroll(frame, pose))[skin].mean(0) for frame, pose in zip(clip, poses, strict=True)])
        for clip in (frames, result)
    )
    apart = now - was - np.median(now - was, axis=0)
    assert np.ptp(was[:, 0]) > 7 and np.abs(apart).max() < 1.5, np.abs(apart).max(0)


def test_chunks_and_weights(swapped, followed, detector, rest):
    """A track's weights, where it has them, fade the face; what a frame shows depends on no other frame's pixels."""
    reference = prepare_reference(astronaut(), detector.detect(astronaut()).landmarks[0])
    frames = still(rest[0], 6)
    faces, (track,), _ = followed(frames)
    swapper = PreviewSwapper({track.id: [reference]}, faces, [track], FPS, 1.0)
    whole = swapper.swap(frames, places_in([track], 0, 6), lambda _: None)
    alone = swapper.swap(frames[4:5], places_in([track], 4, 5), lambda _: None)
    assert np.array_equal(whole[4], alone[0])
    object.__setattr__(track, "weights", np.array([0, 0.5, 1, 1, 1, 1], np.float32))
    faded = swapper.swap(frames, places_in([track], 0, 6), lambda _: None)
    changed = np.abs(faded.astype(int) - frames).mean((1, 2, 3))
    assert changed[0] == 0 and 0.3 < changed[1] / changed[2] < 0.7 and np.array_equal(faded[2:], whole[2:])


def test_what_acts_is_kept_where_it_lies():
    places = np.array([[[0, 75], [31.5, 0], [0, 30], [0, 100]]], np.float32)
    usual, kept = acting(Expression(np.zeros((16, 16, 2), np.float32), 1.0, 0.5), places)
    assert np.array_equal(usual, places)
    assert np.allclose(kept, [[1, 0.5, 0, 0]], atol=0.02)
    assert mouth_mask(places).max() == 1 and eyes_mask(places)[0, 1] == 1
    dropped = Expression(np.full((16, 16, 2), (0, -20), np.float32), 1.0, 0.0)
    usual, kept = acting(dropped, places)
    assert np.allclose(usual[..., 1], places[..., 1] - 20, atol=0.01) and kept[0, 3] > 0.9
    assert np.abs(dropped.times(0).shift).max() == 0 and dropped.times(0.5).mouth == 0.5


@pytest.fixture
def real_clip():
    """Frames of a clip of real people, which are not in the repository."""

    def read(name, start, stop):
        if not (CLIPS / name).exists():
            pytest.skip(f"the clip {name} is not here")
        import av

        with av.open(str(CLIPS / name)) as source:
            frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
        return np.stack(frames[start:stop])

    return read


def test_a_real_face_raises_its_brows_and_shuts_its_eyes(real_clip, swapped, detector):
    frames = real_clip("head-pose-face-detection-male.gif", 28, 62)
    result, poses = swapped(frames)
    changed = np.abs(result.astype(int) - frames)
    assert changed.max((1, 2, 3)).min() > 20  # every frame is swapped
    eyes = [
        np.abs(lightness(result[i], poses[i], *EYES) - lightness(frames[i], poses[i], *EYES)).mean() for i in (2, 33)
    ]
    assert eyes[1] < 0.5 * eyes[0], eyes
    assert changed[:, :, :120].max() == 0 and changed[:, :, 360:].max() == 0  # far from the face nothing changes
    again = np.stack([detector.detect(frame).landmarks[0] for frame in result]).reshape(len(frames), 10)
    before = np.stack([detector.detect(frame).landmarks[0] for frame in frames]).reshape(len(frames), 10)
    assert noise_level(again) < noise_level(before)


def test_a_real_hand_stays_before_the_mouth_it_feeds(real_clip, swapped, followed):
    frames = real_clip("eat.mkv", 0, 47)
    result, poses = swapped(frames)
    faces, (track,), _ = followed(frames)
    assert track.stop - track.start == 47
    free = drawable(track, poses, faces, track_tones(track, poses, faces, FPS))
    assert free[22, 24:30, 8:14].min() < 0.1 < free[4, 24:30, 8:14].min()
    x, y = np.meshgrid(np.linspace(-16, 4, 9), np.linspace(84, 104, 9))
    changed = [
        np.abs(lightness(result[i], poses[i], x, y) - lightness(frames[i], poses[i], x, y)).mean() for i in (4, 22)
    ]
    assert changed[1] < 0.5 * changed[0] + 1, changed
