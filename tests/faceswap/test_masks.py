"""What stays in front of a face, with small networks of the published ones' signatures whose answers are known."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.casting import Role
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.mask_stage import MaskFaces, unseen
from diffscaler.faceswap.masks import SIDE
from diffscaler.faceswap.review import UNPARSED, Review
from diffscaler.faceswap.review_stage import ReviewSwap, ReviewSwapParams
from diffscaler.media import Stream
from diffscaler.stages import stage_class
from tests.faceswap.masking import (
    ENGINES,
    MAKERS,
    N,
    apart,
    masked,
    of_faces,
    swapped,
)
from tests.faceswap.moving import DETECTOR, FPS, chunked, meta_of
from tests.faceswap.tiny_onnx import BLUE, GREEN


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", ["parsing", "occluder"])
def test_a_hand_that_a_network_sees_stays_in_front_whatever_the_engine(around, clip, found, engine, what):
    frames, clean, hand = clip
    masks = masked(around, frames, found, what)
    made = swapped(around, frames, found, engine, (what,), ((what, masks),))
    bare = swapped(around, frames, found, engine, ())
    steady = [swapped(around, frames, found, engine, (what,), ((what, masks),), size, steady=0.08) for size in (2, 8)]
    assert np.array_equal(*steady), "frames that have a say in a mask may lie in other chunks"
    covered, drawn = apart(made, frames)[2:5][:, hand], apart(bare, frames)[2:5][:, hand]
    assert drawn.mean() > 30, "without a mask the face is drawn over the hand"
    assert covered.mean() < 0.12 * drawn.mean(), (covered.mean(), drawn.mean())
    elsewhere = (apart(bare, frames)[3] > 25) & ~cv2.dilate(hand.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert elsewhere.sum() > 60 and apart(made, frames)[3][elsewhere].mean() > 20
    assert np.array_equal(made[:1], swapped(around, clean, found, engine, (what,), ((what, masks),))[:1])


def test_the_looks_keep_a_hand_in_front_of_a_networks_face_too(around, clip):
    frames, _, hand = clip
    frames = np.concatenate([frames[:1].repeat(5, 0), frames[2:5], frames[:1].repeat(5, 0)])
    found = around.detect(frames)
    bare, made = (swapped(around, frames, found, "inswapper", front) for front in (None, ("looks",)))
    covered, drawn = (apart(each, frames)[5:8][:, hand].mean() for each in (made, bare))
    print(f"where the hand is, {drawn:.1f} levels change without and {covered:.1f} with it")
    assert drawn > 30 and covered < 0.4 * drawn
    assert apart(made, frames)[1][hand].mean() > 20  # nothing is in front there
    assert np.array_equal(made, swapped(around, frames, found, "inswapper", ("looks",), size=3))


def test_regions_say_what_is_drawn_over(around, clip, found):
    _, clean, hand = clip
    frames = clean.copy()
    frames[:, hand] = GREEN  # the network takes it for glasses
    changed = []
    for regions in (("skin", "nose"), ("skin", "glasses"), ("eyes",)):
        masks = masked(around, frames, found, "parsing", regions=regions)
        made = swapped(around, frames, found, "inswapper", ("parsing",), (("parsing", masks),))
        changed.append((apart(made, frames)[3][hand].mean(), apart(made, frames)[3].max()))
    assert changed[0][0] < 15 < 60 < changed[1][0] and changed[0][1] > 60
    assert changed[2][1] == 0  # it sees no eyes anywhere


@pytest.mark.parametrize("what", MAKERS)
def test_masks_depend_on_no_chunk(around, clip, found, what):
    frames = clip[0]
    whole = masked(around, frames, found, what)[0].tensors
    assert whole["mask"].shape == (2 * N, SIDE, SIDE)
    for size, start in ((1, 0), (3, 0), (2, 4)):
        parts = masked(around, frames, found, what, size, start)
        assert (parts[0].start, parts[0].count) == (start, min(size, N))
        late = whole["frame"] >= start
        for name, value in whole.items():
            assert np.array_equal(value[late], np.concatenate([part.tensors[name] for part in parts]))
    assert stage_class("mask_faces") is MaskFaces


def test_masks_change_only_with_the_version(around, clip, found):
    """Coarse, so that another machine's rounding passes: another mask here needs a new `MaskFaces.version`."""
    assert MaskFaces.version == 2
    mask = masked(around, clip[0], found, "occluder", wishes=("largest",))[0].tensors["mask"][3]
    cells = cv2.resize(mask, (4, 4), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cells - PINNED).max() <= 3, cells.tolist()


def test_only_the_faces_meant_are_looked_at(around, clip, found):
    tensors = masked(around, clip[0], found, "occluder", wishes=("largest",))[0].tensors
    assert len(set(tensors["track"].tolist())) == 1 and len(tensors["mask"]) == N
    assert masked(around, clip[0], found, "occluder", wishes=((9,),))[0].tensors["mask"].shape == (0, SIDE, SIDE)
    assert any("XSeg" in note for note in around.notes)


def test_a_frame_in_which_the_parser_sees_no_face_is_swapped_by_the_outline_and_that_is_said(around, clip, found):
    frames = clip[1].copy()
    frames[3] = BLUE  # clothes all over
    masks = masked(around, frames, found, "parsing")
    assert [row.tolist() for row in masks[0].tensors["found"].reshape(N, 2)] == [[1, 1]] * 3 + [[0, 0]] + [[1, 1]] * 3
    made = swapped(around, frames, found, "inswapper", ("parsing",), (("parsing", masks),))
    by_outline = swapped(around, frames, found, "inswapper", ())
    assert apart(made, by_outline)[3].max() <= 8, "finer cells of the same outline"
    assert apart(made, frames)[3].max() > 60
    said = "The face parser saw no face in frame 3 (0:00.1); the face's outline is its mask there."
    assert said in around.notes
    tracks = gather(found).tracks(FPS)
    review = ReviewSwapParams(cast=(Role(photos=("face",)),))
    streams = (Stream(meta_of(frames), chunked(frames, 4)), of_faces(frames, found))
    streams += (Stream(meta_of(frames), chunked(made, 4)), of_faces(frames, masks))
    seen = Review.read(ReviewSwap(review, (DETECTOR,)).run(streams, around.context()), N)
    doubts = [(each.track, each.start, each.stop) for each in seen.concerns() if each.what == UNPARSED]
    assert sorted(doubts) == sorted((track.id, 3, 4) for track in tracks)


@pytest.mark.parametrize("row", [5, -1])
def test_where_the_detector_saw_no_face_either_nothing_is_drawn(row):
    place = Place(0, SimpleNamespace(rows=np.array([row])), 0)
    assert np.array_equal(np.unique(unseen(place)), [float(row >= 0)])


PINNED = np.array([[255, 255, 255, 255], [255, 255, 255, 255], [225, 66, 155, 254], [255, 214, 125, 227]])
