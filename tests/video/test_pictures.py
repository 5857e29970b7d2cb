import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import MediaError
from diffscaler.video.pictures import natural_key
from diffscaler.video.probe import meta_of, probe
from diffscaler.video.reader import read_frames
from tests.video.make import all_frames, all_times, corner_colours, numbered


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp", ".jpg"])
def test_a_picture_is_a_clip_of_one_frame(tmp_path, suffix):
    frame = numbered(1, 49, 65)[0]
    Image.fromarray(frame).save(tmp_path / f"p{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    info = probe(tmp_path / f"p{suffix}")
    assert (info.width, info.height, info.num_frames, info.is_image) == (65, 49, 1, True)
    assert meta_of(info, None).still
    frames = all_frames(tmp_path / f"p{suffix}")
    assert np.abs(frames.astype(int) - frame).mean() <= (2 if suffix == ".jpg" else 0)


def test_a_telephones_picture_is_a_clip_of_one_frame(tmp_path):
    from pillow_heif import from_pillow

    frame = np.repeat(np.repeat(numbered(1, 48, 64)[0], 4, 0), 4, 1)
    from_pillow(Image.fromarray(frame)).save(tmp_path / "p.heic", quality=95)
    info = probe(tmp_path / "p.heic")
    assert (info.width, info.height, info.num_frames, info.is_image) == (256, 192, 1, True)
    assert np.abs(all_frames(tmp_path / "p.heic")[0].astype(int) - frame).mean() < 3
    whole = (tmp_path / "p.heic").read_bytes()
    for length in (40, len(whole) // 2, len(whole) - 20):
        (tmp_path / "cut.heic").write_bytes(whole[:length])
        with pytest.raises(MediaError, match=r"cut\.heic"):
            all_frames(tmp_path / "cut.heic")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed(tmp_path, orientation):
    upright = numbered(1)[0]
    # How a camera stores an upright scene under each orientation: the inverse of what a viewer does.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "p.png", exif=exif)
    info = probe(tmp_path / "p.png")
    frame = all_frames(tmp_path / "p.png")[0]
    assert (info.width, info.height) == (64, 48)
    assert corner_colours(frame) == ("r", "b", "-", "-")
    assert np.array_equal(frame, upright)


def test_a_folder_is_a_clip_in_natural_order(tmp_path):
    frames = numbered(12)
    for index, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(tmp_path / f"f{index}.png")
    (tmp_path / "readme.txt").write_text("not a picture")
    info = probe(tmp_path)
    assert (info.num_frames, info.fps, info.duration_s, info.is_image) == (12, 24, 0.5, False)
    assert np.array_equal(all_frames(tmp_path), frames)
    assert np.array_equal(all_frames(tmp_path, 5, 3), frames[5:])
    assert np.array_equal(all_times(tmp_path, 5), np.arange(5, 12) / 24)


def test_names_sort_the_way_people_count(tmp_path):
    names = ["b2", "a10", "a9", "A1", "a01", "10", "9", "²"]
    ordered = [path.name for path in sorted((tmp_path / name for name in names), key=natural_key)]
    assert ordered == ["9", "10", "A1", "a01", "a9", "a10", "b2", "²"]


def test_a_folder_of_two_sizes_is_refused(tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "1.png")
    Image.new("RGB", (12, 10)).save(tmp_path / "2.png")
    with pytest.raises(MediaError, match=r"2\.png is 12 x 10 pixels, and the first picture"):
        list(read_frames(tmp_path))


def test_an_animated_webp_keeps_its_frames_and_times(tmp_path):
    frames = numbered(5)
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=[40, 40, 200, 40, 80], lossless=True
    )
    info = probe(tmp_path / "a.webp")
    assert (info.num_frames, info.vfr, info.duration_s, info.is_image) == (5, True, 0.4, False)
    assert np.array_equal(all_frames(tmp_path / "a.webp"), frames)
    assert np.array_equal(all_frames(tmp_path / "a.webp", 2), frames[2:])
    assert np.allclose(all_times(tmp_path / "a.webp"), [0, 0.04, 0.08, 0.28, 0.32])


def test_an_animated_png_is_a_video(tmp_path):
    pictures = [Image.fromarray(frame) for frame in numbered(4)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], duration=100)
    assert probe(tmp_path / "a.png").num_frames == 4
    assert np.array_equal(all_frames(tmp_path / "a.png"), numbered(4))


@pytest.mark.parametrize(("mode", "colour", "seen"), [
    ("RGBA", (200, 100, 50, 128), (100, 50, 25)), ("LA", (200, 64), (50, 50, 50)), ("L", 77, (77, 77, 77)),
    ("1", 1, (255, 255, 255)), ("I;16", 0x8000, (128, 128, 128)), ("P", 0, (0, 0, 0)),
])  # fmt: skip
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode, colour, seen):
    Image.new(mode, (8, 8), colour).save(tmp_path / "p.png")
    assert np.abs(all_frames(tmp_path / "p.png")[0, 4, 4].astype(int) - seen).max() <= 1
