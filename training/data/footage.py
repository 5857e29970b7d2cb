"""A clip's frames in one pass, each shrunk only as far and as often as somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from diffscaler.video import pictures
from diffscaler.video.colour import RgbConverter
from diffscaler.video.container import check_size, open_media, video_stream
from diffscaler.video.orient import Orientation, aspect_of, orientation_of, shown_size
from diffscaler.video.probe import first_frame
from diffscaler.video.reader import decoded_frames, read_frames
from diffscaler.video.sniff import head_of, is_picture
from diffscaler.video.timeline import read_timeline

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """One frame. index: as read_frames counts; time_s: from the clip's first frame

    shrunk: gives uint8 RGB (H, W, 3), upright, the longer side at most so many pixels; never enlarged
    """

    index: int
    time_s: float
    shrunk: Callable[[int], Picture]


@dataclass(frozen=True)
class Footage:
    """A clip that is about to be read. frames: can be gone through once; end_s: when the last one ends"""

    width: int
    height: int
    fps: float
    num_frames: int
    end_s: float
    frames: Iterator[Frame]


def open_footage(path: Path, folder_fps: float) -> Footage:
    """A video, a picture, or a folder of pictures.

    folder_fps: the rate a folder of pictures is taken to have
    Raises MediaError, now or while its frames are read.
    """
    if path.is_dir():
        return _folder(path, folder_fps)
    return _picture(path) if is_picture(head_of(path)) else _video(path)


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) shrunk until the longer one is `side`; as they are where that would enlarge."""
    factor = min(1.0, side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def shrink(picture: Picture, side: int) -> Picture:
    """A picture with its longer side at most `side` pixels: uint8 (H, W, 3)."""
    size = fitted(picture.shape[1], picture.shape[0], side)
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _video(path: Path) -> Footage:
    with open_media(path) as container:
        stream = video_stream(container, path.name)
        first = first_frame(container, stream, path.name)
        orientation = orientation_of(first)
        width, height = shown_size(first.width, first.height, aspect_of(stream.sample_aspect_ratio), orientation)
        check_size(path.name, width, height)
    timeline = read_timeline(path)
    converter = RgbConverter()

    def small(frame: VideoFrame, side: int) -> Picture:
        across, down = fitted(width, height, side)
        across, down = (down, across) if orientation.swaps else (across, down)
        return _upright(converter.convert(frame, across, down, scaling=Interpolation.AREA), orientation)

    def frames() -> Iterator[Frame]:
        for index, frame in enumerate(decoded_frames(path, timeline, 0)):
            yield Frame(index, float(timeline.times[index]), lambda side, frame=frame: small(frame, side))

    return Footage(width, height, float(timeline.fps), len(timeline), timeline.duration_s, frames())


def _upright(picture: Picture, orientation: Orientation) -> Picture:
    return picture if orientation == Orientation() else orientation.apply(picture)


def _folder(path: Path, fps: float) -> Footage:
    paths = pictures.pictures_in(path)
    width, height = pictures.upright_size(pictures.open_picture(paths[0]))
    found = pictures.folder_frames(paths, 0)
    return Footage(width, height, fps, len(paths), len(paths) / fps, _frames(found, 1 / fps))


def _picture(path: Path) -> Footage:
    chunks = read_frames(path, chunk_frames=1)
    first = next(chunks)
    height, width = first.frames.shape[1:3]
    with pictures.open_picture(path) as picture:
        durations = pictures.animation_ms(picture, path) or [1000]
    seconds = sum(durations) / 1000
    # Most pictures are one frame, which is not decoded twice.
    found = (frame for chunk in chain((first,), chunks) for frame in chunk.frames)
    count = len(durations)
    return Footage(width, height, count / seconds, count, seconds, _frames(found, seconds / count))


def _frames(found: Iterator[Picture], seconds: float) -> Iterator[Frame]:
    for index, picture in enumerate(found):
        yield Frame(index, index * seconds, lambda side, picture=picture: shrink(picture, side))
