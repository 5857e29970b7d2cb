import os
from fractions import Fraction

import av
import psutil
import pytest

from diffscaler.media import FrameChunk
from diffscaler.video.encodings import Encoding
from diffscaler.video.probe import meta_of, probe
from diffscaler.video.reader import read_frames
from diffscaler.video.subtitles import packet_of, text_of
from diffscaler.video.writer import write_clip
from tests.video.make import (
    FLASH_S,
    VFR_END,
    VFR_TIMES,
    all_frames,
    all_times,
    beep_onsets,
    ffmpeg,
    flashing,
    in_chunks,
    levels,
    meta_for,
    numbered,
    vfr_with_sound,
    video,
    with_beeps,
)

AUDIO_FRAME_S = 1024 / 48000


def rewritten(source, target, encoding):
    write_clip(target, meta_of(probe(source), "s"), read_frames(source), encoding, sound=source, manifest={"k": 1})
    return target


def flash_s(path):
    bright = [level > 120 for level in levels(all_frames(path))]
    return float(all_times(path)[bright.index(True)])


def assert_in_step(path, flash=FLASH_S):
    assert flash_s(path) == pytest.approx(flash, abs=0.011)
    (first, first_hertz), (second, second_hertz) = beep_onsets(path)
    assert first == pytest.approx(flash_s(path), abs=AUDIO_FRAME_S)
    assert second == pytest.approx(flash_s(path), abs=AUDIO_FRAME_S)
    assert (first_hertz, second_hertz) == (pytest.approx(440, abs=8), pytest.approx(880, abs=16))


@pytest.mark.parametrize("name", ["h264", "h265", "prores", "webm"])
def test_two_tracks_stay_in_step_with_an_uneven_picture(tmp_path, name):
    source = vfr_with_sound(tmp_path)
    assert_in_step(source)
    target = rewritten(source, tmp_path / f"out{Encoding(name=name).suffix}", Encoding(name=name))
    assert_in_step(target)
    info = probe(target)
    assert [track.language for track in info.audio] == ["eng", "ger"]
    assert info.duration_s == pytest.approx(VFR_END, abs=0.002)
    assert (info.vfr, info.manifest) == (True, {"k": 1})


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mkv", ("-c:a", "libvorbis", "-ac", "2")),
        (".mkv", ("-c:a", "pcm_s16le")),
        (".ts", ("-c:a", "mp2")),
        (".mov", ("-c:a", "alac")),
        (".mp4", ("-c:a", "libmp3lame")),
        (".mkv", ("-c:a", "libopus")),
    ],
)
def test_sound_of_any_kind_stays_in_step(tmp_path, suffix, options):
    source = vfr_with_sound(tmp_path, suffix, *options)
    assert_in_step(rewritten(source, tmp_path / "out.mp4", Encoding()))


def test_a_picture_that_starts_late_keeps_its_offset(tmp_path):
    frames = flashing(60, 30)
    silent = video(tmp_path / "s.mp4", frames)
    beeping = with_beeps(silent, tmp_path / "b.mp4", 1.5, 3.0)
    late = tmp_path / "late.mkv"
    # The picture begins 0.5 s after the sound, so that its flash meets the beep.
    ffmpeg("-itsoffset", "0.5", "-i", silent, "-i", beeping, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    assert probe(late).audio[0].start_s == pytest.approx(-0.5, abs=0.03)
    for encoding in (Encoding(), Encoding(name="webm")):
        assert_in_step(rewritten(late, tmp_path / f"out{encoding.suffix}", encoding), flash=1.0)


def test_sound_that_starts_late_keeps_its_offset(tmp_path):
    silent = video(tmp_path / "s.mp4", flashing(60, 45))
    beeping = with_beeps(silent, tmp_path / "b.mp4", 1.0, 1.5)
    late = tmp_path / "late.mp4"
    ffmpeg("-i", silent, "-itsoffset", "0.5", "-i", beeping, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    assert_in_step(rewritten(late, tmp_path / "out.mp4", Encoding()), flash=1.5)


def test_sound_ends_with_a_clip_that_was_cut_short(tmp_path):
    source = vfr_with_sound(tmp_path)
    frames = flashing(30, 20)
    write_clip(tmp_path / "out.mp4", meta_for(frames), in_chunks(frames, 8), Encoding(), sound=source, manifest={})
    assert all(
        track.duration_s == pytest.approx(1.0, abs=2 * AUDIO_FRAME_S) for track in probe(tmp_path / "out.mp4").audio
    )


def test_sound_that_outlasts_its_own_picture_is_kept(tmp_path):
    silent = video(tmp_path / "s.mp4", flashing(30, 15))
    source = with_beeps(silent, tmp_path / "b.mp4", 0.5, 2.5)
    target = rewritten(source, tmp_path / "out.mp4", Encoding())
    assert all(track.duration_s == pytest.approx(2.5, abs=0.05) for track in probe(target).audio)
    assert probe(target).duration_s == pytest.approx(1.0)


@pytest.fixture
def rich(tmp_path):
    """A Matroska file with styled subtitles, chapters and tags."""
    (tmp_path / "s.srt").write_text(
        "1\n00:00:00,200 --> 00:00:00,900\n<i>Hello</i>\n\n2\n00:00:01,000 --> 00:00:01,500\nBye\n"
    )
    (tmp_path / "c.txt").write_text(
        ";FFMETADATA1\ntitle=Two rates\nartist=Me\ncomment=Mine\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=A\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=B\n"
    )
    path = tmp_path / "rich.mkv"
    ffmpeg("-i", vfr_with_sound(tmp_path), "-i", tmp_path / "s.srt", "-i", tmp_path / "c.txt",
           "-map", "0", "-map", "1", "-map_metadata", "2", "-map_chapters", "2", "-c", "copy",
           "-metadata:s:s:0", "language=fre", path)  # fmt: skip
    return path


@pytest.mark.parametrize("name", ["h264", "prores", "webm"])
def test_subtitles_chapters_and_tags_go_along(tmp_path, rich, name):
    target = rewritten(rich, tmp_path / f"out{Encoding(name=name).suffix}", Encoding(name=name))
    info = probe(target)
    assert (len(info.audio), info.subtitles, info.chapters) == (2, 1, 2)
    assert [info.metadata[tag] for tag in ("title", "artist", "description")] == ["Two rates", "Me", "Mine"]
    assert info.manifest == {"k": 1}
    with av.open(str(target)) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["A", "B"]
        track = container.streams.subtitles[0]
        codec = track.codec_context.codec.canonical_name
        packets = [packet for packet in container.demux(track) if packet.pts is not None]
        shown = [(float(packet.pts * packet.time_base), text_of(bytes(packet), codec)) for packet in packets]
        assert track.language in ("fre", "fra")
    assert [(pytest.approx(at, abs=0.002), text) for at, text in shown if text] == [(0.2, "Hello"), (1.0, "Bye")]


def test_gif_has_no_sound_and_does_not_mind(tmp_path):
    source = vfr_with_sound(tmp_path)
    assert probe(rewritten(source, tmp_path / "out.gif", Encoding(name="gif"))).audio == ()


def test_a_long_clip_is_written_in_flat_memory(tmp_path):
    # An endless supply of one small chunk against ten minutes of sound: nothing may hold the sound or the frames.
    tone = tmp_path / "tone.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=600", "-c:a", "aac", tone)
    frames = numbered(16, 32, 32)
    process, seen = psutil.Process(os.getpid()), []

    def chunks():
        for start in range(0, 752, 16):
            seen.append(process.memory_info().rss)
            yield FrameChunk(frames, start, (start + in_chunks(frames, 16)[0].times))

    meta = meta_for(frames, Fraction(5, 4), duration_s=601.6)
    assert write_clip(tmp_path / "out.mp4", meta, chunks(), Encoding(), sound=tone, manifest={}) == 752
    assert probe(tmp_path / "out.mp4").audio[0].duration_s == pytest.approx(600, abs=0.1)
    assert max(seen[20:]) - max(seen[:20]) < 40e6


def test_text_subtitles_change_form_and_keep_their_words():
    assert text_of(b"0,0,Default,,0,0,0,,{\\b1}Well,{\\b0} yes\\Nno", "ass") == "Well, yes\nno"
    assert text_of(packet_of("Grüße", "mov_text"), "mov_text") == "Grüße"
    assert text_of(b"", "mov_text") == text_of(b"\0\0", "mov_text") == ""
    assert text_of(b"<font color=red>a < b</font>", "subrip") == "a < b"
    assert VFR_TIMES[-1] < VFR_END
