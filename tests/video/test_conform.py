"""Matte, size and frame rate on the way to the encoder; pictures in a ZIP; the figures of the quality card."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from diffscaler.video.conform import Conform, window_of
from diffscaler.video.encodings import Encoding
from diffscaler.video.measure import card, file_facts, measure
from diffscaler.video.probe import probe
from diffscaler.video.sequence import read_manifest, read_picture, unpack
from diffscaler.video.writer import write_clip
from tests.video.make import VFR_END, VFR_TIMES, in_chunks, levels, meta_for, numbered, vfr_with_sound


def conformed(conform: Conform, frames: np.ndarray, size: int = 8, **facts: object) -> tuple[np.ndarray, list[str]]:
    told: list[str] = []
    meta = meta_for(frames, **{"fps": Fraction(30), **{k: v for k, v in facts.items() if k != "times"}})  # type: ignore[arg-type]
    chunks = list(conform.apply(in_chunks(frames, size, facts.get("times")), meta, told.append))  # type: ignore[arg-type]
    made = conform.meta(meta)
    out = np.concatenate([chunk.frames for chunk in chunks])
    assert (made.num_frames, made.height, made.width) == out.shape[:3]
    times = np.concatenate([chunk.times for chunk in chunks])
    assert made.vfr or np.allclose(times, np.arange(len(out)) / float(made.fps))
    return out, told


def test_a_matte_is_black_bars_and_the_rest_is_untouched() -> None:
    frames = np.full((2, 1080, 1920, 3), 200, np.uint8)
    out, _ = conformed(Conform(matte="2.39:1"), frames)
    assert window_of("2.39:1", 1920, 1080) == (0, 138, 1920, 942)
    assert (out[:, :138] == 0).all() and (out[:, 942:] == 0).all() and (out[:, 138:942] == 200).all()
    assert (frames == 200).all()
    left, top, right, bottom = window_of("1:1", 1920, 1080)
    assert (right - left, bottom - top) == (1080, 1080)
    assert window_of("16:9", 1920, 1080) == (0, 0, 1920, 1080)


def test_the_longest_side_only_ever_shrinks() -> None:
    assert Conform(longest=1280).size(1920, 1080) == (1280, 720)
    assert Conform(longest=1280).size(640, 361) == (640, 361)
    assert Conform(longest=64).size(1080, 1920) == (36, 64)
    out, _ = conformed(Conform(longest=32), numbered(2, 48, 64))
    assert out.shape == (2, 24, 32, 3) and abs(int(out[0, 20, 16, 0]) - 30) < 4


def test_uneven_times_become_constant_without_losing_step() -> None:
    frames = numbered(40)
    facts = {"fps": Fraction(20), "vfr": True, "duration_s": VFR_END, "times": VFR_TIMES}
    out, told = conformed(Conform(frame_rate="30"), frames, **facts)
    shown = [*range(30), *(30 + i // 3 for i in range(30))]
    assert levels(out) == [levels(frames)[i] for i in shown]
    assert told == ["40 frames became 60 at 30 a second: 20 shown again, 0 left out."]
    for size in (1, 40):
        assert (conformed(Conform(frame_rate="30"), frames, size, **facts)[0] == out).all()


def test_jitter_of_a_phone_neither_repeats_nor_drops_a_frame() -> None:
    rng = np.random.default_rng(3)
    times = [0.0, *(np.arange(1, 60) / 30 + rng.uniform(-0.012, 0.012, 59)).tolist()]
    facts = {"fps": Fraction(3000, 101), "vfr": True, "duration_s": 2.0, "times": times}
    out, told = conformed(Conform(frame_rate="constant"), numbered(60), **facts)
    assert len(out) == 60 and "0 shown again, 0 left out" in told[0]


def test_a_constant_clip_is_left_alone_unless_another_rate_is_asked_for() -> None:
    meta = meta_for(numbered(24), Fraction(24))
    assert Conform(frame_rate="constant").rate(meta) is None and Conform(frame_rate="24").rate(meta) is None
    made = Conform(frame_rate="25").meta(meta)
    assert (made.num_frames, made.fps, made.duration_s) == (25, 25, 1.0)


def test_pictures_in_a_zip_are_the_frames_with_the_story_beside_them(tmp_path: Path) -> None:
    frames = numbered(5)
    path, told = tmp_path / "out.zip", list[int]()
    for _ in range(2):
        before = path.read_bytes() if path.exists() else None
        count = write_clip(path, meta_for(frames), in_chunks(frames, 2), Encoding(name="pictures"),
                           manifest={"consent": "Eileen"}, on_frames=told.append)  # fmt: skip
    assert before == path.read_bytes() and count == 5 and told[:3] == [2, 4, 5]
    assert all((read_picture(path, at) == frame).all() for at, frame in enumerate(frames))
    assert read_manifest(path) == {"consent": "Eileen"}
    unpack(path, tmp_path / "shots")
    assert sorted(file.name for file in (tmp_path / "shots").iterdir())[:2] == ["frame_000000.png", "frame_000001.png"]


def test_deep_frames_become_sixteen_bit_pictures(tmp_path: Path) -> None:
    import cv2

    frames = np.linspace(0, 65280, 3 * 8 * 64, dtype=np.uint16).reshape(1, 8, 64, 3)
    write_clip(tmp_path / "x.zip", meta_for(frames), in_chunks(frames, 1), Encoding(name="pictures"), manifest={})
    data = np.frombuffer(zipfile.ZipFile(tmp_path / "x.zip").read("frame_000000.png"), np.uint8)
    back = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert back.dtype == np.uint16 and back.max() == 65535
    assert np.abs(back.astype(int) - frames[0].astype(int) * 257 // 256).max() <= 1


def test_a_flickering_clip_measures_worse_and_a_soft_one_less_sharp() -> None:
    rng = np.random.default_rng(0)
    wide = np.repeat(np.repeat(rng.integers(40, 200, (24, 40, 3)), 4, 0), 4, 1).astype(np.uint8)
    panned = np.stack([wide[:80, i : i + 120] for i in range(10)])
    flicker = np.clip(panned + np.where(np.arange(10) % 2, 12, 0)[:, None, None, None], 0, 255).astype(np.uint8)
    soft = (panned[:, :, 1:].astype(int) + panned[:, :, :-1]) // 2
    steady = measure(in_chunks(panned, 4))
    assert measure(in_chunks(flicker, 4)).flicker > 4 * steady.flicker > 0
    assert measure(in_chunks(soft.astype(np.uint8), 4)).sharpness < 0.9 * steady.sharpness
    assert measure(in_chunks(panned, 10)) == steady
    assert measure(in_chunks(np.stack([wide] * 4), 4)).flicker == pytest.approx(0, abs=0.1)


def test_a_long_clip_is_looked_at_less_often_and_reads_the_same() -> None:
    frames = numbered(1, 32, 32).repeat(2000, 0)
    assert measure(in_chunks(frames, 16)).flicker == pytest.approx(0, abs=0.05)


def test_the_card_tells_rates_tags_and_sound(tmp_path: Path) -> None:
    source = vfr_with_sound(tmp_path, ".mov")
    rows = card(file_facts(source), None)
    assert rows["frame rate"].endswith("uneven") and rows["size"] == "64 x 48" and "2 tracks, in sync" in rows["sound"]
    facts = file_facts(source)
    size = (facts.video_mbps + facts.audio_mbps) * facts.info.duration_s * 1e6 / 8
    assert rows["bitrate"].startswith(f"{facts.video_mbps:.3g} Mbit/s")
    assert size == pytest.approx(source.stat().st_size, rel=0.3) and probe(source).num_frames == 40
