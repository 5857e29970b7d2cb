import struct
import zlib
from fractions import Fraction

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffscaler.errors import MediaError
from diffscaler.video.probe import probe
from diffscaler.video.reader import read_frames
from tests.video.make import ffmpeg, numbered, video


def refusal(path):
    """What probe and read_frames say; both must refuse, and name the file without its folder."""
    with pytest.raises(MediaError) as probed:
        probe(path)
    with pytest.raises(MediaError) as read:
        list(read_frames(path))
    assert str(path.parent) not in str(probed.value) + str(read.value)
    assert probed.value.hint
    return probed.value.message


def test_a_text_file(tmp_path):
    (tmp_path / "notes.mp4").write_text("Buy milk.\n" * 10)
    assert refusal(tmp_path / "notes.mp4") == "notes.mp4 is not a video: it starts like a text file."


def test_a_file_that_is_called_a_picture_is_told_to_be_none(tmp_path):
    (tmp_path / "face.JPG").write_text("Buy milk.\n" * 10)
    assert refusal(tmp_path / "face.JPG") == "face.JPG is not a picture: it starts like a text file."
    (tmp_path / "face.png").write_bytes(bytes(range(200, 256)) * 20)
    assert refusal(tmp_path / "face.png") == "face.png is not a picture: it starts like no kind of file known here."


def test_other_kinds_of_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    assert refusal(tmp_path / "a.mp4") == "a.mp4 is not a video: it is a PDF document."
    (tmp_path / "b.mp4").write_bytes(b"PK\x03\x04" + bytes(100))
    assert refusal(tmp_path / "b.mp4") == "b.mp4 is not a video: it is a ZIP archive or an office document."
    (tmp_path / "c.mp4").write_bytes(bytes(range(200, 256)) * 20)
    assert refusal(tmp_path / "c.mp4") == "c.mp4 is not a video: it starts like no kind of file known here."


def test_a_playlist_cannot_make_it_open_other_files(tmp_path):
    video(tmp_path / "secret.ts", numbered(5))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")
    assert "starts like a text file" in refusal(tmp_path / "list.m3u8")
    (tmp_path / "list.mp4").write_bytes(b"ffconcat version 1.0\nfile secret.ts\n" + bytes(8))
    assert "list.mp4" in refusal(tmp_path / "list.mp4")


def test_empty_missing_and_folder(tmp_path):
    (tmp_path / "e.mp4").touch()
    assert refusal(tmp_path / "e.mp4") == "e.mp4 is empty (0 bytes)."
    assert refusal(tmp_path / "gone.mp4") == "gone.mp4 is not there."
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "folder") == "folder holds no pictures."


def test_sound_only(tmp_path):
    for name in ("song.mp3", "song.m4a", "song.wav", "song.ogg"):
        ffmpeg("-f", "lavfi", "-i", "sine=440:d=0.3", tmp_path / name)
        assert refusal(tmp_path / name) == f"{name} has sound but no picture."


def test_a_song_with_a_cover_is_still_no_video(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "cover.png")
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=0.3", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1",
           "-disposition:v", "attached_pic", tmp_path / "song.mp3")  # fmt: skip
    assert refusal(tmp_path / "song.mp3") == "song.mp3 has sound but no picture."


def test_cut_off_before_the_table_of_contents(tmp_path):
    path = video(tmp_path / "cut.mp4", numbered(30))
    path.write_bytes(path.read_bytes()[:-1500])
    assert refusal(path) == "cut.mp4 is cut off: its table of contents is missing."


def test_cut_off_behind_the_table_of_contents(tmp_path):
    rng = np.random.default_rng(0)
    video(tmp_path / "a.mp4", rng.integers(0, 256, (30, 48, 64, 3), np.uint8))
    ffmpeg("-i", tmp_path / "a.mp4", "-c", "copy", "-movflags", "+faststart", tmp_path / "fast.mp4")
    data = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "fast.mp4").write_bytes(data[: len(data) // 2])
    message = refusal(tmp_path / "fast.mp4")
    assert message.startswith("fast.mp4 is cut off: only ") and message.endswith(" of its 30 frames are there.")


def test_a_stream_without_frames(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=10", "-frames:v", "0", "-c:v", "libx264",
           "-movflags", "+empty_moov+frag_keyframe", tmp_path / "none.mp4")  # fmt: skip
    message = refusal(tmp_path / "none.mp4")
    assert message in ("none.mp4 holds no frames that can be decoded.", "none.mp4 holds no picture.",
                       "none.mp4 is damaged: it states no picture size.")  # fmt: skip


def png_header(width, height):
    def block(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return start + block(b"IDAT", zlib.compress(bytes(1000))) + block(b"IEND", b"")


@pytest.mark.parametrize("size", [(16385, 10), (100_000, 100_000)])
def test_a_picture_bomb_is_refused_by_its_header(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(png_header(*size))
    assert "bomb.png is too large" in refusal(tmp_path / "bomb.png")


def test_a_video_with_too_long_a_side_is_refused(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=s=16400x16:r=5:d=0.2", "-c:v", "ffv1", tmp_path / "wide.mkv")
    assert refusal(tmp_path / "wide.mkv").startswith("wide.mkv is too large: 16400 x 16 pixels")


def test_a_video_made_too_wide_by_its_pixels_is_refused(tmp_path):
    path = video(tmp_path / "a.mp4", numbered(2, 16, 2000), aspect=Fraction(10))
    assert "a.mp4 is too large: 20000 x 16 pixels" in refusal(path)


def test_a_damaged_picture(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    (tmp_path / "p.png").write_bytes(data[: len(data) // 2])
    assert refusal(tmp_path / "p.png") == "p.png is a damaged or cut off picture."


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".bmp", ".heic", ".avif"])
def test_a_photo_that_was_not_copied_to_its_end(tmp_path, suffix):
    pillow_heif.register_heif_opener()
    seed = int(np.random.default_rng().integers(2**31))
    print("seed", seed)
    path = tmp_path / f"face{suffix}"
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)).save(path)
    assert probe(path).width == 96
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert refusal(path) == f"face{suffix} is a damaged or cut off picture."


HEADS = [b"", b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"GIF89a", b"RIFF\0\0\0\0AVI LIST", b"\x89PNG\r\n\x1a\n",
         b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBPVP8 ", b"\0\0\1\xba", b"OggS", b"FLV\1", b"BM", b"II*\0", b"\xff\xfb",
         b"\0\0\0\1\x67", b"G@\0\x10"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=600))
def test_random_bytes_raise_nothing_but_media_errors(tmp_path_factory, head, rest):
    path = tmp_path_factory.getbasetemp() / "random.mp4"
    path.write_bytes(head + rest)
    try:
        probe(path)
        list(read_frames(path))
    except MediaError as error:
        assert error.message.startswith("random.mp4 ")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=0.4", "-c:v", "libx264", folder / "a.mp4")
    for suffix in (".mkv", ".gif", ".avi", ".webm"):
        ffmpeg("-i", folder / "a.mp4", folder / f"a{suffix}")
    ffmpeg("-i", folder / "a.mp4", "-frames:v", "1", folder / "a.png")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_flipped_bytes_raise_nothing_but_media_errors(tmp_path_factory, good, data):
    content = bytearray(data.draw(st.sampled_from(good)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.mp4"
    path.write_bytes(content)
    try:
        count = probe(path).num_frames
        assert sum(len(chunk.frames) for chunk in read_frames(path)) == count
    except MediaError as error:
        assert error.message.startswith("flipped.mp4 ")
