import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from diffscaler.errors import InvalidRequest, MediaError
from diffscaler.video.encodings import Encoding, stored_size
from diffscaler.video.probe import probe
from diffscaler.video.stills import write_still
from diffscaler.video.writer import timed_frames, write_clip
from tests.video.make import VFR_END, VFR_TIMES, all_frames, all_times, in_chunks, levels, meta_for, numbered

MANIFEST = {"seed": 7, "prompt": "Grüße, 世界", "steps": [1, 2.5, None], "long": "x" * 100_000}
MOVING = ["h264", "h265", "prores", "webm", "gif"]


@pytest.mark.parametrize("name", MOVING)
def test_frames_times_and_manifest_come_back(tmp_path, name):
    frames, rate = numbered(20), Fraction(25)
    path = tmp_path / f"out{Encoding(name=name).suffix}"
    told: list[int] = []
    count = write_clip(path, meta_for(frames, rate), in_chunks(frames, 8, fps=rate), Encoding(name=name),
                       manifest=MANIFEST, on_frames=told.append)  # fmt: skip
    info = probe(path)
    assert (count, told, info.num_frames, info.fps, info.vfr) == (20, [8, 16, 20], 20, 25, False)
    assert info.duration_s == pytest.approx(0.8, abs=1e-6)
    assert info.manifest == MANIFEST
    assert "comment" not in info.metadata
    assert np.abs(np.array(levels(all_frames(path))) - levels(frames)).max() <= 2
    assert np.abs(all_frames(path).astype(int) - frames).mean() < 6


@pytest.mark.parametrize("name", MOVING)
def test_uneven_times_and_the_last_frame_stay(tmp_path, name):
    frames = numbered(40)
    meta = meta_for(frames, Fraction(20), vfr=True, duration_s=VFR_END)
    path = tmp_path / f"out{Encoding(name=name).suffix}"
    write_clip(path, meta, in_chunks(frames, 16, VFR_TIMES), Encoding(name=name), manifest={})
    tick = 0.006 if name == "gif" else 0.0006
    assert np.abs(all_times(path) - VFR_TIMES).max() < tick
    assert probe(path).duration_s == pytest.approx(VFR_END, abs=tick)


@pytest.mark.parametrize("name", MOVING)
def test_same_frames_same_bytes(tmp_path, name):
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (13, 48, 66, 3), np.uint8) // 4
    frames = np.concatenate([numbered(12, 48, 66) // 2 + noise[:12], numbered(12, 48, 66)])
    written: set[bytes] = set()
    for size in (1, 5, 24):
        path = tmp_path / f"{size}{Encoding(name=name).suffix}"
        write_clip(path, meta_for(frames), in_chunks(frames, size), Encoding(name=name), manifest={"a": 1, "b": [2]})
        written.add(path.read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("size", [(49, 65), (17, 16)])
def test_odd_sizes_lose_no_pixel(tmp_path, name, size):
    frames = numbered(4, *size)
    path = tmp_path / f"odd{Encoding(name=name).suffix}"
    write_clip(path, meta_for(frames), in_chunks(frames, 4), Encoding(name=name), manifest={})
    info = probe(path)
    assert (info.width, info.height) == stored_size(Encoding(name=name), size[1], size[0])
    read = all_frames(path)[:, : size[0], : size[1]].astype(int)
    assert np.abs(read[:, size[0] // 2 :] - frames[:, size[0] // 2 :]).max() < 12


def test_the_extra_row_and_column_repeat_the_last_ones(tmp_path):
    rng = np.random.default_rng(2)
    frames = np.repeat(np.repeat(rng.integers(60, 200, (2, 5, 5, 3), np.uint8), 9, 1), 9, 2)
    path = tmp_path / "odd.mp4"
    write_clip(path, meta_for(frames), in_chunks(frames, 4), Encoding(quality=0), manifest={})
    read = all_frames(path).astype(int)
    assert read.shape == (2, 46, 46, 3)
    assert np.abs(read[:, -1, :-2] - read[:, -2, :-2]).max() <= 6


def test_flat_colours_come_back_within_two_levels(tmp_path):
    colours = [(200, 60, 30), (10, 200, 90), (255, 255, 255), (0, 0, 0), (30, 60, 220)]
    frames = np.stack([np.broadcast_to(np.array(colour, np.uint8), (48, 64, 3)) for colour in colours])
    for name in ("h264", "h265", "prores", "webm"):
        path = tmp_path / f"{name}{Encoding(name=name).suffix}"
        write_clip(path, meta_for(frames), in_chunks(frames, 4), Encoding(name=name), manifest={})
        assert np.abs(all_frames(path)[:, 24, 32].astype(int) - colours).max() <= 3, name
        assert (probe(path).matrix, probe(path).color_range) == ("bt709", "tv")


def test_a_gif_of_few_colours_is_exact(tmp_path):
    frames = numbered(6)
    write_clip(
        tmp_path / "a.gif", meta_for(frames, Fraction(10)), in_chunks(frames, 4), Encoding(name="gif"), manifest={}
    )
    assert np.array_equal(all_frames(tmp_path / "a.gif"), frames)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_still_keeps_its_pixels_and_manifest(tmp_path, suffix):
    frame = numbered(1, 49, 65)[0]
    path = tmp_path / f"still{suffix}"
    write_still(path, frame, MANIFEST)
    info = probe(path)
    assert (info.width, info.height, info.is_image, info.manifest) == (65, 49, True, MANIFEST)
    assert np.abs(all_frames(path)[0].astype(int) - frame).max() <= (10 if suffix == ".jpg" else 0)


def test_png_takes_one_picture(tmp_path):
    frames = numbered(3)
    encoding = Encoding(name="png")
    assert (
        write_clip(tmp_path / "a.png", meta_for(frames[:1]), in_chunks(frames[:1], 1), encoding, manifest={"a": 1}) == 1
    )
    assert probe(tmp_path / "a.png").manifest == {"a": 1}
    with pytest.raises(InvalidRequest, match="one picture"):
        write_clip(tmp_path / "b.png", meta_for(frames), in_chunks(frames, 1), encoding, manifest={})


def test_whatever_fails_leaves_no_file(tmp_path):
    frames = numbered(8)
    path = tmp_path / "out.mp4"

    def stopped():
        yield in_chunks(frames, 8)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_clip(path, meta_for(frames), stopped(), Encoding(), manifest={})
    with pytest.raises(MediaError, match="no frames to write"):
        write_clip(path, meta_for(frames), [], Encoding(), manifest={})
    with pytest.raises(MediaError, match=r"H\.265 MP4 needs pictures of at least 16 pixels"):
        write_clip(path, meta_for(frames[:, :8]), in_chunks(frames[:, :8], 4), Encoding(name="h265"), manifest={})
    with pytest.raises(ValueError, match="one size"):
        write_clip(
            path, meta_for(frames), [*in_chunks(frames, 8), *in_chunks(frames[:, :8], 8)], Encoding(), manifest={}
        )
    with pytest.raises(MediaError, match=r"out\.mp4 could not be written there"):
        write_clip(tmp_path / "none" / "out.mp4", meta_for(frames), in_chunks(frames, 8), Encoding(), manifest={})
    assert list(tmp_path.iterdir()) == []


FILLS_THE_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from diffscaler.errors import NotEnoughRoom
from diffscaler.video.encodings import Encoding
from diffscaler.video.writer import write_clip
from tests.video.make import in_chunks, meta_for
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
frames = np.random.default_rng(0).integers(0, 256, (24, 96, 96, 3), np.uint8)
path = Path(sys.argv[1])
try:
    write_clip(path, meta_for(frames), in_chunks(frames, 8), Encoding(name=sys.argv[2]), manifest={})
except NotEnoughRoom as error:
    print(error.message, path.exists())
"""


@pytest.mark.parametrize("name", ["h264", "gif"])
def test_a_full_disk_is_told(tmp_path, name):
    path = tmp_path / f"out{Encoding(name=name).suffix}"
    done = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, path, name], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"The disk is full: {path.name} could not be written. False\n", done.stderr


def test_times_are_made_to_rise():
    frames = numbered(4)
    meta = meta_for(frames, vfr=True, duration_s=0.1)
    at = [pts for _, pts, _ in timed_frames(in_chunks(frames, 2, [0, 0, 0.00001, 0.1]), meta, Fraction(1, 100))]
    assert at == [0, 1, 2, 10]
