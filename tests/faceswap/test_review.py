"""The review of a swap: what it measures on swaps whose faults are known, and what it says about them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from diffscaler.faceswap.casting import Role
from diffscaler.faceswap.correct_stage import CorrectionParams
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.inswapper import load_recognizer
from diffscaler.faceswap.photo import main_face
from diffscaler.faceswap.review import AWAY, BARELY, COLUMNS, KEPT, LEAVING, NOBODY, UNLIKE, Review
from diffscaler.faceswap.review_stage import ReviewSwap, ReviewSwapParams
from diffscaler.media import Stream
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import DETECTOR, FPS, around, chunked, frames_of, meta_of, moved, somebody_else, still
from tests.faceswap.tiny_onnx import Spec

N = 8


def reviewed(
    around_stage: Any,
    frames: Any,
    found: Any,
    swapped: Any,
    size: int = 8,
    start: int = 0,
    corrections: Any = (),
    models: Any = (DETECTOR,),
) -> Any:
    params = ReviewSwapParams(cast=(Role(photos=("face",)),), corrections=corrections)
    first = max(0, start - 1)
    streams = (
        Stream(meta_of(frames), chunked(frames, size, first)),
        Stream(meta_of(frames).change(kind="tensors"), iter(found)),
        Stream(meta_of(frames), chunked(swapped, 5, first)),
    )
    return list(ReviewSwap(params, models).run(streams, around_stage.context(start)))


@pytest.fixture(scope="module")
def frames() -> Any:
    steps = [around((250, 150), (120 + 2 * i, 100), 0.75, 0.5 * i) for i in range(N)]
    return moved(somebody_else(), (100, 0, 400, 320), steps, (240, 200))


def test_a_good_swap_has_good_figures(around_stage: Any, frames: Any) -> None:
    found = around_stage.detect(frames)
    swapped = frames_of(around_stage.swap(frames, found))
    review = Review.read(reviewed(around_stage, frames, found, swapped), N)
    card = review.card()
    assert review.tracks == [0] and card["replaced"] == card["frames"] == N
    assert card["error"] < 0.12 and card["seam"] < 1.4 and card["flicker"] < 2
    assert card["jitter"] < card["jitter_was"] + 0.006  # a fifth of a pixel: eight frames tell little of the noise
    assert math.isnan(card["likeness"])  # no recogniser
    assert not review.doubts()["not replaced"].any()


def test_what_is_wrong_is_found_where_it_is(around_stage: Any, frames: Any) -> None:
    found = around_stage.detect(frames)
    swapped = frames_of(around_stage.swap(frames, found))
    swapped[3] = frames[3]  # left out
    face = slice(70, 150), slice(90, 170)
    swapped[5][face] = cv2.GaussianBlur(swapped[5][face], (0, 0), 14)  # no features left
    review = Review.read(reviewed(around_stage, frames, found, swapped), N)
    said = {(c.start, c.stop, c.what) for c in review.concerns()}
    assert (3, 4, "not replaced") in said
    assert any(start <= 5 < stop and what == "features off" for start, stop, what in said)
    kept = (CorrectionParams(start=3, stop=4, how="skip"),)  # left out on purpose
    corrected = Review.read(reviewed(around_stage, frames, found, swapped, corrections=kept), N)
    assert {(c.start, c.stop, c.what) for c in corrected.concerns()} == said - {(3, 4, "not replaced")}
    assert review.skipped() == {BARELY: 1} and corrected.skipped() == {KEPT: 1}
    heat = review.heat()
    assert heat[3] > 0 and heat[5] > 0 and heat[0] == 0


def test_likeness_is_to_the_performer_and_who_is_unlike_is_said(around_stage: Any, frames: Any, tmp_path: Path) -> None:
    """By a recogniser of random weights: what it reads in photo and frames is compared."""
    recognizer = load_recognizer(Spec(tiny_onnx.arcface(tmp_path / "w600k_r50.onnx")))
    around_stage.models["arcface"] = recognizer
    found = around_stage.detect(frames)
    (track,) = gather(found).tracks(FPS)
    swapped = frames_of(around_stage.swap(frames, found))
    swapped[5] = 255 - swapped[5]  # nobody looks like that
    models = (DETECTOR, ModelRef(name="arcface", revision="1"))
    review = Review.read(reviewed(around_stage, frames, found, swapped, models=models), N)
    performer = main_face(around_stage.photo, around_stage.models["centerface"])
    wanted = recognizer.embed(performer.photo, performer.landmarks)
    expected = [recognizer.embed(frame, at) @ wanted for frame, at in zip(swapped, track.landmarks, strict=True)]
    print("likeness", np.round(expected, 3))
    assert np.allclose(review.column("likeness"), expected, atol=1e-4)
    assert review.card()["likeness"] == pytest.approx(np.mean(expected), abs=1e-4)
    unlike = np.array(expected) < UNLIKE
    assert unlike[5] and review.doubts()["unlike the performer"].tolist() == unlike.tolist()
    assert any("ArcFace" in note and "non-commercial" in note for note in around_stage.notes)


@pytest.mark.parametrize("size", [1, 3])
def test_chunks_and_resuming_leave_no_trace(around_stage: Any, frames: Any, size: int) -> None:
    found = around_stage.detect(frames)
    swapped = frames_of(around_stage.swap(frames, found))
    whole = reviewed(around_stage, frames, found, swapped)
    others = [reviewed(around_stage, frames, found, swapped, size, start) for start in (0, 4)]
    rows = [np.concatenate([chunk.tensors["rows"] for chunk in part]) for part in (whole, *others)]
    assert np.array_equal(rows[0], rows[1], equal_nan=True)
    assert np.array_equal(rows[0][rows[0][:, 0] >= 4], rows[2], equal_nan=True)


def test_a_clip_without_faces_has_an_empty_review(around_stage: Any) -> None:
    frames = still(np.full((80, 100, 3), 90, np.uint8), 3)
    found = around_stage.detect(frames)
    review = Review.read(reviewed(around_stage, frames, found, frames), 3)
    assert review.tracks == [] and review.concerns() == [] and not review.heat().any()
    assert review.card()["replaced"] == 0 and math.isnan(review.card()["error"])


def row(**values: float) -> list[float]:
    usual = {"score": 0.9, "eyes_px": 40, "error": 0.05, "changed": 9, "seam": 1, "likeness": np.nan, "weight": 1}
    return [float({**dict.fromkeys(COLUMNS, 0.0), **usual, **values}[name]) for name in COLUMNS]


def test_neighbouring_frames_are_one_concern() -> None:
    rows = [row(frame=i, yaw=60 if i in (2, 3, 5, 9) else 0) for i in range(12)]
    review = Review(np.array(rows, np.float32), 12)
    assert [(c.start, c.stop, c.what) for c in review.concerns()] == [(2, 6, "turned away"), (9, 10, "turned away")]


def test_frames_without_a_new_face_are_counted_by_why() -> None:
    """Two people: whoever is replaced answers for the frame; frames 10 and 11 show nobody."""
    nothing = {"weight": 0, "changed": 0}
    rows = [row(frame=0), row(frame=0, track=1, **nothing)]
    rows += [row(frame=i, kept=1, yaw=70, **nothing) for i in (1, 2)]
    rows += [row(frame=i, yaw=-62, **nothing) for i in (3, 4, 5)]
    rows += [row(frame=6, **nothing), row(frame=7, changed=0.2, weight=0.02), row(frame=8), row(frame=9)]
    review = Review(np.array(rows, np.float32), 12)
    expected = {KEPT: 2, AWAY: 3, LEAVING: 1, BARELY: 1, NOBODY: 2}
    assert review.skipped() == expected and list(review.skipped()) == list(expected)
    assert review.card()["frames"] + sum(expected.values()) == 12
    assert Review(np.array([row(frame=0)], np.float32), 1).skipped() == {}


def test_jitter_is_what_no_smooth_movement_has() -> None:
    smooth = [row(frame=i, was_dx=3.0, was_dy=0, now_dx=3.0 + (4 if i % 2 else -4)) for i in range(10)]
    card = Review(np.array(smooth, np.float32), 10).card()
    assert card["jitter_was"] == pytest.approx(0, abs=1e-6) and card["jitter"] == pytest.approx(8 / 40)


@pytest.mark.parametrize("shake_px", [0.0, 0.15, 0.6])
def test_jitter_is_measured_as_it_is(around_stage: Any, shake_px: float) -> None:
    """A face that drifts and shakes by a known amount: found to a twentieth of a pixel, which no detector does."""
    count = 10
    shake = np.random.default_rng(11).normal(0, shake_px, (count, 2)) if shake_px else np.zeros((count, 2))
    print("seed 11")
    places = [(120 + 2.3 * i + dx, 100 + 0.7 * i + dy) for i, (dx, dy) in enumerate(shake)]
    steady = [around((250, 150), (120 + 2.3 * i, 100 + 0.7 * i), 0.75, 0.5 * i) for i in range(count)]
    shaken = [around((250, 150), place, 0.75, 0.5 * i) for i, place in enumerate(places)]
    frames, swapped = (moved(somebody_else(), (100, 0, 400, 320), steps, (240, 200)) for steps in (steady, shaken))
    found = around_stage.detect(frames)
    review = Review.read(reviewed(around_stage, frames, found, swapped), count)
    eyes = float(review.column("eyes_px").mean())
    card, truth = review.card(), np.hypot(*np.diff(shake, 2, axis=0).T).mean()
    print(f"was {card['jitter_was'] * eyes:.3f} px, now {card['jitter'] * eyes:.3f} px, truly {truth:.3f} px")
    assert card["jitter_was"] * eyes < 0.05 and abs(card["jitter"] * eyes - truth) < 0.05
