"""Corrections: some frames of a swap are done otherwise, and only those are made anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.faceswap.casting import Role
from diffscaler.faceswap.correct_stage import CorrectionParams, CorrectSwap, CorrectSwapParams, _Engines, together
from diffscaler.faceswap.detections import gather
from diffscaler.media import Stream
from tests.faceswap.moving import DETECTOR, FPS, chunked, frames_of, meta_of, still

N = 6


@pytest.fixture(scope="module")
def frames(two_people: Any) -> Any:
    return still(two_people, N)


def corrected(
    around: Any, frames: Any, found: Any, base: Any, *corrections: dict[str, Any], size: int = 4, start: int = 0
):
    params = CorrectSwapParams(
        cast=(Role(photos=("face",)),), corrections=tuple(CorrectionParams(**row) for row in corrections)
    )
    streams = (
        Stream(meta_of(frames), chunked(frames, size, start)),
        Stream(meta_of(frames).change(kind="tensors"), iter(found)),
        Stream(meta_of(frames), chunked(base, 5, start)),
    )
    return frames_of(CorrectSwap(params, (DETECTOR,)).run(streams, around.context(start)))


def test_only_the_frames_and_people_meant_change(around_stage: Any, frames: Any) -> None:
    found = around_stage.detect(frames)
    base = frames_of(around_stage.swap(frames, found))
    marked = base.copy()
    marked[0] += 1  # were frame 0 made anew, the mark would be gone
    result = corrected(around_stage, frames, found, marked, {"start": 2, "stop": 4, "tracks": (0,), "how": "skip"})
    for index in (0, 1, 4, 5):
        assert np.array_equal(result[index], marked[index])
    for index in (2, 3):
        assert np.array_equal(result[index][:, :240], frames[index][:, :240])  # the left one has her own face again
        assert np.array_equal(result[index][:, 250:], base[index][:, 250:])
    assert len(gather(found).tracks(FPS)) == 2


def test_the_last_correction_of_a_face_holds(around_stage: Any, frames: Any) -> None:
    found = around_stage.detect(frames)
    base = frames_of(around_stage.swap(frames, found))
    rows = ({"start": 1, "stop": 5, "how": "skip"}, {"start": 1, "stop": 3, "how": "builtin"})
    result = corrected(around_stage, frames, found, base, *rows)
    assert np.array_equal(result[:3], base[:3]) and np.array_equal(result[3:5], frames[3:5])


def test_people_who_are_not_there_are_refused(around_stage: Any, frames: Any) -> None:
    found = around_stage.detect(frames)
    with pytest.raises(InvalidRequest, match="There is no person 44"):
        corrected(around_stage, frames, found, frames, {"start": 0, "stop": 2, "tracks": (44,), "how": "skip"})


class Recorder:
    """A casting whose engines note which faces they were given together."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []

    def swapper(self, engine: str, free: bool) -> Any:
        def swap(frames: Any, places: Any, tick: Any) -> Any:
            self.calls.append((engine, [place.track.id for place in places]))
            return frames

        return SimpleNamespace(swap=swap)


def test_one_engine_is_given_its_faces_together() -> None:
    rows = (
        CorrectionParams(start=0, stop=1, tracks=(0,), how="ghost"),
        CorrectionParams(start=1, stop=2, tracks=(0, 1, 2), how="skip"),
    )
    params = CorrectSwapParams(cast=(Role(photos=("face",)),), corrections=rows)
    casting, frame = Recorder(), np.zeros((2, 2, 3), np.uint8)
    engines = _Engines(casting, params)  # type: ignore[arg-type]
    places: Any = [SimpleNamespace(track=SimpleNamespace(id=number)) for number in range(3)]
    engines.drawn(frame, places, 1, lambda: None)
    assert casting.calls == [] and engines.made == {}  # nothing is drawn, so nothing is loaded
    engines.drawn(frame, places, 0, lambda: None)
    assert casting.calls == [("ghost", [0]), ("builtin", [1, 2])]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_chunks_and_resuming_leave_no_trace(around_stage: Any, frames: Any, size: int) -> None:
    found = around_stage.detect(frames)
    base = frames_of(around_stage.swap(frames, found))
    row = {"start": 2, "stop": 5, "how": "over everything"}
    whole = corrected(around_stage, frames, found, base, row)
    assert np.array_equal(whole, corrected(around_stage, frames, found, base, row, size=size))
    assert np.array_equal(whole[3:], corrected(around_stage, frames, found, base, row, size=size, start=3))


def test_two_clips_keep_step_whatever_their_chunks() -> None:
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    for one, other, start in ((3, 7, 0), (8, 1, 4), (20, 6, 13)):
        pairs = together(
            Stream(meta_of(frames), chunked(frames, one, 0)),
            Stream(meta_of(frames), chunked(frames, other, start)),
            start,
        )
        seen = [(part.frames[:, 0, 0, 0].tolist(), mate[:, 0, 0, 0].tolist()) for part, mate in pairs]
        assert all(a == b for a, b in seen)
        assert [value for a, _ in seen for value in a] == list(range(start, 20))
