import os
from fractions import Fraction

import numpy as np
import psutil
import pytest

from diffscaler.errors import MediaError
from diffscaler.video.probe import probe
from diffscaler.video.reader import read_frames
from diffscaler.video.timeline import read_timeline
from tests.video.make import (
    VFR_END,
    VFR_TIMES,
    all_frames,
    all_times,
    corner_colours,
    ffmpeg,
    levels,
    numbered,
    video,
)

TURNED = {
    0: ((48, 64), ("r", "b", "-", "-")),
    90: ((64, 48), ("b", "-", "r", "-")),
    180: ((48, 64), ("-", "-", "b", "r")),
    270: ((64, 48), ("-", "r", "-", "b")),
}


@pytest.mark.parametrize("degrees", TURNED)
def test_a_phone_clip_comes_out_upright(tmp_path, degrees):
    path = video(tmp_path / "phone.mp4", numbered(5), rotation=degrees)
    size, corners = TURNED[degrees]
    info = probe(path)
    frames = all_frames(path)
    assert ((info.height, info.width), info.rotation) == (size, degrees)
    assert frames.shape == (5, *size, 3)
    assert corner_colours(frames[0]) == corners


def test_a_turned_clip_equals_what_ffmpeg_shows(tmp_path):
    path = video(tmp_path / "phone.mov", numbered(2), codec="png", pix_fmt="rgb24", rotation=90)
    ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", tmp_path / "raw")
    assert all_frames(path).tobytes() == (tmp_path / "raw").read_bytes()


CODECS = [
    ("g.mp4", "libx264", {"g": "9", "bf": "3"}),
    ("open.mkv", "libx264", {"x264-params": "open-gop=1:keyint=8:bframes=3"}),
    ("open.mp4", "libx265", {"x265-params": "open-gop=1:keyint=10:bframes=3:log-level=error"}),
    ("refresh.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=10"}),
    ("v.webm", "libvpx-vp9", {"g": "10"}),
    ("v8.webm", "libvpx", {"g": "10", "auto-alt-ref": "1", "lag-in-frames": "12"}),
    ("p.ts", "libx264", {"g": "9"}),
    ("a.avi", "mpeg4", {"g": "9", "bf": "2"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), CODECS)
def test_starting_anywhere_gives_the_same_frames(tmp_path, name, codec, options):
    path = video(tmp_path / name, numbered(40), codec=codec, **options)
    full, times = all_frames(path), all_times(path)
    assert len(full) == probe(path).num_frames == 40
    for start in (1, 7, 8, 9, 10, 19, 25, 39):
        chunks = list(read_frames(path, start, 16))
        assert chunks[0].start == start
        assert np.array_equal(np.concatenate([chunk.frames for chunk in chunks]), full[start:])
        assert np.array_equal(np.concatenate([chunk.times for chunk in chunks]), times[start:])
    assert list(read_frames(path, 40)) == []


def test_chunk_size_is_invisible(tmp_path):
    path = video(tmp_path / "a.mp4", numbered(20), VFR_TIMES[20:], VFR_END)
    full, times = all_frames(path), all_times(path)
    for size in (1, 3, 8):
        chunks = list(read_frames(path, 0, size))
        assert [len(chunk.frames) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        assert np.array_equal(np.concatenate([chunk.frames for chunk in chunks]), full)
        assert np.array_equal(np.concatenate([chunk.times for chunk in chunks]), times)


def test_frames_come_in_the_order_shown_with_exact_times(tmp_path):
    frames = numbered(40)
    path = video(tmp_path / "v.mp4", frames, VFR_TIMES, VFR_END, crf="1")
    assert np.abs(np.array(levels(all_frames(path))) - levels(frames)).max() <= 2
    assert np.allclose(all_times(path), VFR_TIMES, atol=1e-5)


def test_constant_rates_give_exact_multiples(tmp_path):
    path = video(tmp_path / "n.mkv", numbered(30), fps=Fraction(30000, 1001))
    assert np.array_equal(all_times(path), np.arange(30) * 1001 / 30000)


@pytest.mark.parametrize("size", [(49, 65), (1, 1), (3, 5), (2, 200)])
def test_odd_sizes_keep_their_pixels(tmp_path, size):
    frames = numbered(4, *size)
    path = video(tmp_path / "odd.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    assert np.array_equal(all_frames(path), frames)


@pytest.mark.parametrize(("matrix", "tag"), [("bt709", "bt709"), ("bt601", "smpte170m")])
@pytest.mark.parametrize("span", ["tv", "pc"])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
def test_colours_follow_the_matrix_and_range_that_the_file_states(tmp_path, matrix, tag, span, pix_fmt):
    path = tmp_path / "c.mkv"
    colour = (200, 60, 30)
    scale = f"scale=out_color_matrix={matrix}:out_range={span}:flags=accurate_rnd+full_chroma_int,format={pix_fmt}"
    ffmpeg("-f", "lavfi", "-i", "color=c=0xC83C1E:s=64x48:r=10:d=0.3,format=rgb24," + scale,
           "-c:v", "ffv1", "-colorspace", tag, "-color_range", span, path)  # fmt: skip
    assert np.abs(all_frames(path)[0, 24, 32].astype(int) - colour).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(576, "bt601"), (720, "bt709")])
def test_unstated_colours_are_guessed_from_the_height(tmp_path, height, matrix):
    path = tmp_path / "c.mkv"
    scale = f"scale=out_color_matrix={matrix}:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv444p"
    colour = f"color=c=0xC83C1E:s=64x{height}:r=10:d=0.2"
    ffmpeg("-f", "lavfi", "-i", f"{colour},format=rgb24,{scale},setparams=colorspace=unknown", "-c:v", "ffv1", path)
    assert np.abs(all_frames(path)[0, 24, 32].astype(int) - (200, 60, 30)).max() <= 2


def test_see_through_pixels_lie_over_black(tmp_path):
    path = tmp_path / "a.mov"
    ffmpeg("-f", "lavfi", "-i", "color=c=0xFF8040@0.5:s=32x32:r=10:d=0.2,format=rgba", "-c:v", "qtrle", path)
    assert np.abs(all_frames(path)[0, 16, 16].astype(int) - (128, 64, 32)).max() <= 2


def test_a_stream_that_changes_size_keeps_the_clip_at_one_size(tmp_path):
    for name, height in (("a", 48), ("b", 96)):
        video(tmp_path / f"{name}.ts", numbered(5, height, height * 4 // 3))
    joined = tmp_path / "joined.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert all_frames(joined).shape == (10, 48, 64, 3)


@pytest.mark.parametrize("start", [0, 45])
def test_a_corrupt_frame_is_named_and_not_made_up(tmp_path, start):
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 256, (60, 48, 64, 3), np.uint8)
    path = video(tmp_path / "a.mp4", frames, codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    packet = 9300 * 50
    data[packet : packet + 2000] = bytes(2000)
    path.write_bytes(data)
    seen: list[int] = []
    with pytest.raises(MediaError, match=r"a\.mp4 is damaged: frame \d+ \(at \d\.\d\d s\) cannot be decoded") as caught:
        for chunk in read_frames(path, start, 1):
            seen.append(chunk.start)
            assert np.array_equal(chunk.frames[0], frames[chunk.start])
    assert f"frame {seen[-1] + 2} " in caught.value.message


def test_memory_stays_flat_however_long_the_clip(tmp_path):
    path = tmp_path / "long.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240:r=30:d=8", "-c:v", "libx264", "-preset", "ultrafast", path)
    process = psutil.Process(os.getpid())
    seen: list[int] = []
    for chunk in read_frames(path, 0, 16):
        seen.append(process.memory_info().rss)
        del chunk
    assert len(seen) == 15
    # 240 frames are 55 MB; after the first chunks nothing may pile up.
    assert max(seen[5:]) - max(seen[:5]) < 15e6


def test_a_timeline_is_only_trusted_where_packets_are_frames(tmp_path):
    assert read_timeline(video(tmp_path / "a.mp4", numbered(30), g="10")).keys
    assert not read_timeline(video(tmp_path / "a.avi", numbered(30), codec="mpeg4", g="10")).keys
