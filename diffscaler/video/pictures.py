"""Pictures as clips of one frame, animated WebP, and folders of pictures as clips."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from diffscaler.errors import MediaError
from diffscaler.media import Frames
from diffscaler.video.alpha import grey, sees_through
from diffscaler.video.colour import over_black
from diffscaler.video.container import check_size
from diffscaler.video.sniff import PICTURE_SUFFIXES, TRY_AGAIN, head_of, is_heic, is_picture

PICTURE_RATE = Fraction(1)
FOLDER_RATE = Fraction(24)


def open_picture(path: Path, called: Path | None = None) -> Image.Image:
    """Open a picture's header; pixels are decoded later. called: what errors name instead of `path`.

    Raises MediaError: damaged, or a side over 16384 pixels.
    """
    called = called or path
    if is_heic(head_of(path)):
        _read_heic()
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels and raises at twice that, and warns of every damaged tag.
            warnings.simplefilter("ignore")
            picture = Image.open(path)
    except Image.DecompressionBombError as error:
        raise MediaError(f"{called.name} is too large: it would fill memory.", "Make it smaller first.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise broken(called) from error
    check_size(called.name, *picture.size)
    return picture


def check_pixels(picture: Image.Image, path: Path) -> None:
    """Raise MediaError where an open still picture's file ends early or its pixels cannot be decoded.

    A header tells nothing about that. JPEGs are read to their end at an eighth of their size: 0.05 s for 64 megapixels.
    """
    try:
        picture.draft(picture.mode, (1, 1))
        picture.load()
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError) as error:
        raise broken(path) from error


def _read_heic() -> None:
    """Let Pillow read HEIC too. Only when one comes: libheif takes a moment to load."""
    from pillow_heif import register_heif_opener

    register_heif_opener()


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """(width, height) after the EXIF orientation, without decoding."""
    width, height = picture.size
    return (height, width) if exif_orientation(picture) >= 5 else (width, height)


def exif_orientation(picture: Image.Image) -> int:
    """1 to 8; 1 (upright) where it is absent or nonsense."""
    value = exif_value(picture, 0x0112)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif_value(picture: Image.Image, tag: int) -> object:
    """One EXIF value, or None where it is absent or the EXIF data is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of every damaged tag
            return picture.getexif().get(tag)
    except Exception:  # Pillow's EXIF parser fails in many ways, and a picture is worth more than its tags
        return None


def picture_pixels(picture: Image.Image, path: Path, alpha: bool = False) -> Frames:
    """uint8 RGB (H, W, 3) of an open picture: upright, alpha over black, 16-bit grey reduced to 8.

    path: its file, or what errors are to call it
    alpha: its alpha as grey instead, white where it has none

    Raises MediaError when the pixel data is damaged.
    """
    try:
        if picture.mode.startswith("I"):  # Pillow clips instead of scaling these
            levels = np.asarray(picture, dtype=np.int64)
            scaled = np.clip(levels >> 8 if levels.max(initial=0) > 255 else levels, 0, 255).astype(np.uint8)
            upright = ImageOps.exif_transpose(_with_exif(Image.fromarray(scaled), picture))
            if alpha:
                return np.full((upright.height, upright.width, 3), 255, np.uint8)
            return np.ascontiguousarray(np.asarray(upright.convert("RGB")))
        upright = ImageOps.exif_transpose(picture)
        see_through = sees_through(picture)
        if alpha:
            return grey(np.array(upright.convert("RGBA"), dtype=np.uint8)[..., 3])
        return over_black(np.array(upright.convert("RGBA" if see_through else "RGBX"), dtype=np.uint8))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError) as error:
        raise broken(path) from error


def _with_exif(target: Image.Image, source: Image.Image) -> Image.Image:
    target.getexif()[0x0112] = exif_orientation(source)
    return target


def broken(path: Path) -> MediaError:
    return MediaError(f"{path.name} is a damaged or cut off picture.", TRY_AGAIN)


def animation_ms(picture: Image.Image, path: Path) -> list[int]:
    """Milliseconds each frame of an animated WebP is shown; empty for a still picture."""
    count = getattr(picture, "n_frames", 1) if picture.format == "WEBP" else 1
    if count < 2:
        return []
    durations: list[int] = []
    try:
        for index in range(count):
            picture.seek(index)
            picture.load()  # Pillow learns a WebP frame's duration by decoding it
            # Browsers show frames without a duration for 100 ms.
            durations.append(int(picture.info.get("duration", 0)) or 100)
        picture.seek(0)
    except (OSError, EOFError, ValueError) as error:
        raise broken(path) from error
    return durations


def animation_times(durations_ms: list[int]) -> npt.NDArray[np.float64]:
    """float64 (N,), seconds at which frames appear."""
    return np.concatenate([[0], np.cumsum(durations_ms[:-1])]).astype(np.float64) / 1000


def animation_frames(picture: Image.Image, path: Path, start: int, count: int, alpha: bool = False) -> Iterator[Frames]:
    """Frames [start, count) of an animated WebP; alpha: see `picture_pixels`."""
    for index in range(start, count):
        try:
            picture.seek(index)
        except (OSError, EOFError, ValueError) as error:
            raise broken(path) from error
        yield picture_pixels(picture, path, alpha)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order ("2.png" before "10.png"). Raises MediaError when there are none."""
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        ]
    except OSError as error:
        raise MediaError(f"{folder.name} could not be opened.", "Check that you may read this folder.") from error
    if not found:
        raise MediaError(f"{folder.name} holds no pictures.", "Try a folder of PNG or JPEG files.")
    return sorted(found, key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """A sort key that compares digit runs as numbers; the plain name settles ties."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts], path.name


def folder_frames(paths: list[Path], start: int, alpha: bool = False) -> Iterator[Frames]:
    """Frames from picture `start` on; alpha: see `picture_pixels`.

    Raises MediaError when a picture differs in size from the first.
    """
    size = upright_size(open_picture(paths[0]))
    for path in paths[start:]:
        if not is_picture(head_of(path)):
            raise MediaError(f"{path.name} is not a picture.", "Remove it from the folder.")
        with open_picture(path) as picture:
            if upright_size(picture) != size:
                width, height = upright_size(picture)
                raise MediaError(
                    f"{path.name} is {width} x {height} pixels, and the first picture of its folder is "
                    f"{size[0]} x {size[1]}.",
                    "Give all pictures one size.",
                )
            yield picture_pixels(picture, path, alpha)
