from fractions import Fraction

import numpy as np
import pytest

from diffscaler.video.probe import meta_of, probe
from diffscaler.video.timeline import settle_rate
from tests.video.make import VFR_END, VFR_TIMES, all_frames, ffmpeg, numbered, vfr_with_sound, video


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("b.mp4", "libx264", "yuv420p"),
        ("b.mkv", "libx264", "yuv420p"),
        ("b.mov", "prores_ks", "yuv422p10le"),
        ("b.webm", "libvpx-vp9", "yuv420p"),
        ("v8.webm", "libvpx", "yuv420p"),
        ("b.avi", "mpeg4", "yuv420p"),
        ("b.ts", "libx264", "yuv420p"),
    ],
)
def test_every_frame_is_counted_and_all_of_them_come_out(tmp_path, name, codec, pix_fmt):
    path = video(tmp_path / name, numbered(23), codec=codec, pix_fmt=pix_fmt)
    info = probe(path)
    assert (info.num_frames, info.fps, info.vfr) == (23, 30, False)
    assert info.duration_s == pytest.approx(23 / 30, abs=1e-6)
    assert len(all_frames(path)) == 23


def test_gif_frames_and_their_uneven_times_are_counted(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=48x32:r=12:d=1", tmp_path / "a.gif")
    info = probe(tmp_path / "a.gif")
    assert (info.num_frames, info.is_image) == (12, False)
    assert info.duration_s == pytest.approx(1.0, abs=0.011)


def test_frames_outside_an_edit_list_are_not_counted(tmp_path):
    source = video(tmp_path / "a.mp4", numbered(60), g="20")
    ffmpeg("-ss", "0.5", "-i", source, "-c", "copy", tmp_path / "cut.mp4")
    info = probe(tmp_path / "cut.mp4")
    frames = all_frames(tmp_path / "cut.mp4")
    assert info.num_frames == len(frames) == 45
    assert np.abs(frames.astype(int) - all_frames(source)[15:]).max() == 0


def test_uneven_frame_times_keep_their_duration(tmp_path):
    info = probe(video(tmp_path / "v.mp4", numbered(40), VFR_TIMES, VFR_END))
    assert (info.num_frames, info.vfr, info.fps) == (40, True, 20)
    assert info.duration_s == pytest.approx(2.0, abs=1e-6)


def test_a_long_last_frame_counts_towards_the_duration(tmp_path):
    info = probe(video(tmp_path / "v.mp4", numbered(10), end_s=1.5))
    assert (info.fps, info.vfr) == (30, False)
    assert info.duration_s == pytest.approx(1.5, abs=1e-6)


def test_ntsc_rates_survive_the_coarse_clock_of_mkv(tmp_path):
    rate = Fraction(30000, 1001)
    info = probe(video(tmp_path / "n.mkv", numbered(30), fps=rate))
    assert (info.fps, info.vfr) == (rate, False)


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(4, 3), 96), (Fraction(8, 9), 64), (Fraction(3, 5), 43)])
def test_pixels_are_made_square(tmp_path, aspect, width):
    path = video(tmp_path / "a.mp4", numbered(3, 48, 72), aspect=aspect)
    info = probe(path)
    assert (info.width, info.height, info.sample_aspect) == (width, 48, aspect)
    assert all_frames(path).shape == (3, 48, width, 3)


def test_colours_and_depth_are_told(tmp_path):
    path = tmp_path / "ten.mp4"
    tags = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=0.5", "-vf", f"format=yuv420p10le,{tags}", "-c:v", "libx264", path
    )
    info = probe(path)
    assert (info.bit_depth, info.pix_fmt, info.codec) == (10, "yuv420p10le", "h264")
    assert (info.matrix, info.primaries, info.transfer, info.color_range) == ("bt709", "bt709", "bt709", "tv")


def test_sound_subtitles_chapters_and_tags_are_listed(tmp_path):
    (tmp_path / "s.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    (tmp_path / "c.txt").write_text(
        ";FFMETADATA1\ntitle=Two rates\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=A\n"
    )
    source = vfr_with_sound(tmp_path)
    rich = tmp_path / "rich.mkv"
    ffmpeg("-i", source, "-i", tmp_path / "s.srt", "-i", tmp_path / "c.txt", "-map", "0", "-map", "1",
           "-map_metadata", "2", "-map_chapters", "2", "-c", "copy", rich)  # fmt: skip
    info = probe(rich)
    assert [(track.codec, track.language, track.channels) for track in info.audio] == [
        ("aac", "eng", 1), ("aac", "ger", 1)]  # fmt: skip
    assert all(track.duration_s == pytest.approx(2.0, abs=0.05) for track in info.audio)
    assert (info.subtitles, info.chapters, info.metadata["title"]) == (1, 1, "Two rates")


def test_meta_of_is_the_same_clip(tmp_path):
    info = probe(video(tmp_path / "v.mp4", numbered(10)))
    meta = meta_of(info, "ab" * 32)
    assert (meta.kind, meta.num_frames, meta.fps, meta.sound, meta.still) == ("file", 10, 30, "ab" * 32, False)


def test_dropped_frames_are_not_mistaken_for_a_slower_rate():
    # One tick per frame, every fifth frame dropped: 24 fps would fit within a tick, and be wrong.
    ticks = np.array([i for i in range(30) if i % 5 != 3], np.int64)
    assert settle_rate(ticks, Fraction(1, 30), [Fraction(30)], 1)[1] is True
