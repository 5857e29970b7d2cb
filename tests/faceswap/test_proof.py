"""What a swap may not do to the rest of a clip: touch it, mix its people up, or hold all of it in memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diffscaler.faceswap.casting import CastParams, Role
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.stage import SwapFace
from diffscaler.media import FrameChunk, Stream
from diffscaler.video.segments import read_segment, write_segment
from tests.faceswap.moving import DETECTOR, FPS, around, astronaut, chunked, frames_of, meta_of, moved, still


def test_two_people_whose_paths_cross_keep_who_they_are(around_stage: Any) -> None:
    """One goes right in front, one goes left behind: each performer stays on one of them, also where they meet."""
    count, size = 16, (420, 240)
    lower = [around((225, 115), (60 + 20 * i, 165), 0.42, 0) for i in range(count)]
    upper = [around((225, 115), (360 - 20 * i, 60), 0.38, 0) for i in range(count)]
    one, other = (moved(astronaut(), (150, 20, 300, 210), path, size) for path in (lower, upper))
    frames = one.copy()
    frames[:, :115] = other[:, :115]
    tracks = gather(around_stage.detect(frames)).tracks(FPS)
    assert [(track.start, track.stop) for track in tracks] == [(0, count)] * 2
    for track in tracks:
        across, down = track.landmarks[:, 2, 0], track.landmarks[:, 2, 1]
        assert np.ptp(down) < 8 and (np.diff(across) > 0).all() == (down.mean() > 120)


def test_lossless_frames_differ_where_a_face_was_replaced_and_nowhere_else(
    around_stage: Any, two_people: Any, tmp_path: Path
) -> None:
    frames = still(two_people[:, :420], 3)
    made = frames_of(around_stage.swap(frames, around_stage.detect(frames), tracks="largest"))
    for name, pictures in (("was", frames), ("is", made)):
        write_segment(tmp_path / name, FrameChunk(pictures, 0, np.arange(3) / FPS))
    before, after = (read_segment(tmp_path / name, 0).frames for name in ("was", "is"))
    changed = (before != after).any((0, 3))
    assert changed[:, :240].any() and not changed[:, 250:].any(), "the other person's pixels are the same"
    assert not changed[:8].any() and 0.005 < changed.mean() < 0.3


def test_a_longer_clip_takes_no_more_memory(around_stage: Any, two_people: Any) -> None:
    """What is kept of a frame, where its faces lie and how they look, is far less than the frame."""
    few = around_stage.detect(still(two_people, 8))
    params = CastParams(cast=(Role(photos=("face",)),))
    peaks = []
    for count in (16, 64):
        repeated = [shifted(few[0], start) for start in range(0, count, 8)]
        frames = np.broadcast_to(two_people, (count, *two_people.shape))  # takes no memory
        streams = (Stream(meta_of(frames), chunked(frames, 8)), Stream(meta_of(frames), iter(repeated)))
        tracemalloc.start()
        for _ in SwapFace(params, (DETECTOR,)).run(streams, around_stage.context()):  # type: ignore[arg-type]
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    grown = (peaks[1] - peaks[0]) / 48
    print("bytes a frame:", round(grown), "of", two_people.nbytes)
    assert grown < two_people.nbytes / 4


def shifted(chunk: Any, start: int) -> Any:
    return replace(chunk, tensors=chunk.tensors | {"frame": chunk.tensors["frame"] + start}, start=start)
