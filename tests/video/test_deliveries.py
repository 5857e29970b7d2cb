"""What an edit suite gets: files re-read with PyAV, tag by tag."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from diffscaler.errors import MediaError
from diffscaler.media import FrameChunk
from diffscaler.settings import ROOT
from diffscaler.video.encodings import Encoding, formats
from diffscaler.video.measure import file_facts
from diffscaler.video.probe import meta_of, probe
from diffscaler.video.reader import read_frames
from diffscaler.video.writer import write_clip
from tests.video.make import all_frames, beep_onsets, in_chunks, meta_for, numbered, vfr_with_sound, with_beeps
from tests.video.make import video as make_video

CLIPS = ROOT.parent / "shared" / "data" / "clips"

# encoding -> codec, FourCC, pixel format as decoded, profile
EDIT = {
    "prores": ("prores", "apch", "yuv422p10le", "HQ"),
    "prores4444": ("prores", "ap4h", "yuv444p12le", "4444"),
    "dnxhr": ("dnxhd", "AVdh", "yuv422p", "DNXHR HQ"),
    "dnxhr_10bit": ("dnxhd", "AVdh", "yuv422p10le", "DNXHR HQX"),
    "h265_10bit": ("hevc", "hvc1", "yuv420p10le", "Main 10"),
    "av1": ("av1", "av01", "yuv420p10le", "Main"),
}
TAGS = {"timecode": "01:00:10:05", "reel_name": "A001C002"}


@pytest.mark.parametrize("name", EDIT)
def test_every_tag_of_an_edit_file_is_as_promised(tmp_path: Path, name: str) -> None:
    frames, rate = numbered(9, 144, 320), Fraction(24000, 1001)
    source = with_beeps(make_video(tmp_path / "in.mp4", frames, fps=rate), tmp_path / "in.mov", 0.2, 0.37)
    path = tmp_path / f"out{Encoding(name=name).suffix}"
    meta = meta_of(probe(source), "x").change(fps=rate, duration_s=float(9 / rate))
    write_clip(path, meta, read_frames(source), Encoding(name=name), sound=source,
               manifest={"consent": "Eileen"}, track=TAGS)  # fmt: skip
    codec, four_cc, pix_fmt, profile = EDIT[name]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        first = next(container.decode(video=0))
        assert (context.codec.canonical_name, context.codec_tag, context.profile) == (codec, four_cc, profile)
        assert first.format.name == pix_fmt
        assert (first.color_primaries, first.color_trc, first.colorspace, first.color_range) == (1, 1, 1, 1)
        assert (stream.average_rate, stream.frames or 9) == (rate, 9)
        assert [track.language for track in container.streams.audio] == ["eng", "ger"]
        (timecode,) = container.streams.data
        assert timecode.metadata["timecode"] == TAGS["timecode"]
        if path.suffix == ".mov":
            assert timecode.metadata["reel_name"] == TAGS["reel_name"]
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before all of it has come
    info = probe(path)
    assert (info.num_frames, info.vfr, info.manifest) == (9, False, {"consent": "Eileen"})
    assert info.timecode == TAGS["timecode"]
    assert [round(at, 1) for at, _ in beep_onsets(path)] == [0.2, 0.2]
    assert np.abs(all_frames(path).astype(int) - frames).mean() < 6


@pytest.mark.parametrize("name", ["av1", "dnxhr", "prores4444", "h265_10bit"])
def test_same_frames_same_bytes_and_uneven_times_stay(tmp_path: Path, name: str) -> None:
    source = vfr_with_sound(tmp_path)
    frames = np.repeat(np.repeat(all_frames(source), 4, axis=1), 4, axis=2)
    meta = meta_of(probe(source), "x").change(width=256, height=192)
    times = np.concatenate([chunk.times for chunk in read_frames(source)])
    written = set()
    for size in (7, 40):
        path = tmp_path / f"{size}{Encoding(name=name).suffix}"
        write_clip(path, meta, in_chunks(frames, size, times), Encoding(name=name), sound=source, manifest={})
        written.add(path.read_bytes())
    assert len(written) == 1
    assert np.abs(np.concatenate([chunk.times for chunk in read_frames(path)]) - times).max() < 1e-3
    assert [abs(at - 1.2) < 0.02 for at, _ in beep_onsets(path)] == [True, True]


@pytest.mark.parametrize(("name", "says"), [("dnxhr", "256 x 120"), ("av1", "64 pixels a side")])
def test_pictures_too_small_for_an_encoder_are_refused_in_words(tmp_path: Path, name: str, says: str) -> None:
    frames = numbered(2, 48, 48)
    with pytest.raises(MediaError, match=says):
        write_clip(tmp_path / "x.mov", meta_for(frames), in_chunks(frames, 2), Encoding(name=name), manifest={})
    assert list(tmp_path.iterdir()) == []


def test_sound_that_must_be_converted_or_dropped_is_told(tmp_path: Path) -> None:
    frames = numbered(9, 144, 320)
    source = with_beeps(make_video(tmp_path / "in.mp4", frames), tmp_path / "in.mov", 0.1, 0.3)
    for name, says in (("dnxhr", "converted from aac to pcm_s24le"), ("gif", "GIF holds no sound"), ("h264", None)):
        told: list[str] = []
        path = tmp_path / f"out{Encoding(name=name).suffix}"
        write_clip(path, meta_of(probe(source), "x"), read_frames(source), Encoding(name=name), sound=source,
                   manifest={}, note=told.append)  # fmt: skip
        assert (says in " ".join(told)) if says else told == []


def ramp(path: Path) -> tuple[Path, np.ndarray]:
    """ProRes 4444 in which every 10-bit luma level from 64 to 940 stands in a column of its own."""
    luma = np.tile(np.minimum(940, np.arange(64, 64 + 880, dtype=np.uint16)), (64, 1))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=24, width=880, height=64)
        stream.pix_fmt = "yuv444p10le"
        for at in range(2):
            frame = VideoFrame(880, 64, "yuv444p10le")
            for plane, values in zip(
                frame.planes, (luma, np.full_like(luma, 512), np.full_like(luma, 512)), strict=True
            ):
                rows = np.zeros((64, plane.line_size // 2), np.uint16)
                rows[:, :880] = values
                plane.update(rows.tobytes())
            frame.pts = at
            frame.colorspace, frame.color_range = 1, 1
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path, luma[0]


@pytest.mark.parametrize("name", ["prores4444", "h265_10bit"])
def test_ten_bits_stay_ten_bits_from_file_to_file(tmp_path: Path, name: str) -> None:
    source, luma = ramp(tmp_path / "ramp.mkv")
    info = probe(source)
    assert info.bit_depth == 10
    found = {}
    for deep in (True, False):
        path = tmp_path / f"{deep}{Encoding(name=name).suffix}"
        encoding = Encoding(name=name, quality=0 if formats()[name].quality else None)
        write_clip(path, meta_of(info, None), read_frames(source, deep=deep), encoding, manifest={})
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0)).reformat(format="yuv444p10le")
        row = np.frombuffer(bytes(frame.planes[0]), np.uint16).reshape(64, -1)[32, :880]
        assert np.abs(row.astype(int) - luma).max() <= 4
        found[deep] = len(np.unique(row))
    assert found[True] > 800  # of 877; 8 bits have 220 levels, which an encoder's noise may spread
    assert found[True] > 2 * found[False]


@pytest.mark.parametrize(("name", "mbps"), [("h264", 2), ("h264", 8), ("h265_10bit", 2), ("av1", 3), ("webm", 3)])
def test_a_bitrate_is_met_on_real_film(tmp_path: Path, name: str, mbps: float) -> None:
    source = CLIPS / "cockatoo.mp4"
    if not source.exists():
        pytest.skip("the clip is not here")
    first = next(read_frames(source, 0, 32))
    meta = meta_of(probe(source), None)
    meta = meta.change(width=640, height=360, num_frames=32, duration_s=float(32 / meta.fps))
    chunks = [FrameChunk(first.frames[:, ::2, ::2], 0, first.times)]
    path = tmp_path / f"out{Encoding(name=name).suffix}"
    told: list[str] = []
    write_clip(path, meta, chunks, Encoding(name=name, bitrate_mbps=mbps), manifest={},
               note=told.append, passes=4)  # fmt: skip
    assert probe(path).num_frames == 32
    assert file_facts(path).video_mbps == pytest.approx(mbps, rel=0.1)
    assert told == []


def test_a_bitrate_no_picture_could_use_is_told(tmp_path: Path) -> None:
    frames = np.full((12, 64, 64, 3), 90, np.uint8)
    told: list[str] = []
    write_clip(tmp_path / "x.mp4", meta_for(frames), in_chunks(frames, 6), Encoding(bitrate_mbps=50), manifest={},
               note=told.append, passes=3)  # fmt: skip
    assert "takes no more" in told[0] and [file.name for file in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", ["h265", "h265_10bit"])
def test_clips_shorter_than_an_encoders_delay_are_written(tmp_path: Path, name: str, count: int) -> None:
    frames = numbered(count, 64, 96)
    for attempt in range(3):  # what was wrong was uninitialised memory
        path = tmp_path / f"{attempt}.mp4"
        assert write_clip(path, meta_for(frames), in_chunks(frames, 2), Encoding(name=name), manifest={}) == count


LONG_4K = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from diffscaler.media import Again, ClipMeta, FrameChunk
from diffscaler.video.conform import Conform
from diffscaler.video.encodings import Encoding
from diffscaler.video.writer import write_clip
count, path = int(sys.argv[1]), Path(sys.argv[2])
noise = np.random.default_rng(0).integers(0, 64, (2160, 3840 + 64, 3), np.uint8)
meta = ClipMeta(kind="frames", width=3840, height=2160, num_frames=count, fps=Fraction(24), duration_s=count / 24)
def one(i):
    return FrameChunk(noise[None, :, i % 64 : i % 64 + 3840], i, np.array([i / 24]))
chunks = Again(lambda: map(one, range(count)))
made = Conform(matte="2.39:1").apply(chunks, meta)
assert write_clip(path, meta, made, Encoding(name="dnxhr"), manifest={}) == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_4k_is_written_in_flat_memory(tmp_path: Path) -> None:
    """5,000 frames take hours here; a leak of half a frame in each would show in these 60 as 0.7 GB."""
    peaks = []
    for count in (20, 80):
        path = tmp_path / "long.mov"
        done = subprocess.run(
            [sys.executable, "-c", LONG_4K, str(count), str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        path.unlink()
    assert peaks[1] < 1.05 * peaks[0], peaks
