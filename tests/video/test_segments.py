import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler.errors import MediaError
from diffscaler.media import FrameChunk
from diffscaler.video.segments import read_segment, write_segment


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 5), height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1),
    start=st.integers(0, 10**6),
)  # fmt: skip
def test_frames_and_times_come_back_bit_for_bit(tmp_path_factory, count, height, width, seed, start):
    rng = np.random.default_rng(seed)
    chunk = FrameChunk(
        rng.integers(0, 256, (count, height, width, 3), np.uint8), start, np.sort(rng.random(count)) * 1e5
    )
    path = tmp_path_factory.getbasetemp() / "segment.mkv"
    write_segment(path, chunk)
    again = read_segment(path, start)
    assert np.array_equal(again.frames, chunk.frames)
    assert np.array_equal(again.times, chunk.times)
    assert again.start == start and again.frames.dtype == np.uint8 and again.times.dtype == np.float64


def test_a_large_smooth_picture_is_small_on_disk(tmp_path):
    ramp = np.linspace(0, 255, 1280).astype(np.uint8)
    frames = np.repeat(np.broadcast_to(ramp[:, None], (720, 1280, 3))[None], 8, 0)
    write_segment(tmp_path / "s.mkv", FrameChunk(frames, 0, np.arange(8) / 30))
    assert np.array_equal(read_segment(tmp_path / "s.mkv", 0).frames, frames)
    assert (tmp_path / "s.mkv").stat().st_size / 8 < 100_000


def test_a_damaged_segment_is_told(tmp_path):
    path = tmp_path / "s.mkv"
    rng = np.random.default_rng(0)
    write_segment(path, FrameChunk(rng.integers(0, 256, (4, 40, 40, 3), np.uint8), 0, np.arange(4.0)))
    data = path.read_bytes()
    for bad in (b"", data[: len(data) // 2], data[:8000] + bytes(1000) + data[9000:]):
        path.write_bytes(bad)
        with pytest.raises(MediaError, match=r"stored frames in s\.mkv are damaged"):
            read_segment(path, 0)
    with pytest.raises(MediaError):
        read_segment(tmp_path / "none.mkv", 0)


def test_an_empty_chunk_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs frames"):
        write_segment(tmp_path / "s.mkv", FrameChunk(np.zeros((0, 4, 4, 3), np.uint8), 0, np.zeros(0)))
