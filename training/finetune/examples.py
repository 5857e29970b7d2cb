"""What one training clip is: which frames of a shot, in which bucket of size and length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.manifest import Item, frames_of
from training.events import RunError

#: Hotshot-XL's shapes, (width, height) where the square is 512 pixels a side.
SHAPES = ((320, 768), (384, 672), (416, 608), (512, 512), (608, 416), (672, 384), (768, 320))


@dataclass(frozen=True)
class Example:
    """frames: indices into the shot, rising; width, height: pixels of its bucket."""

    shot: Item
    frames: tuple[int, ...]
    width: int
    height: int

    @property
    def bucket(self) -> tuple[int, int, int]:
        """Clips of one batch have the same: width, height, number of frames."""
        return self.width, self.height, len(self.frames)


@dataclass(frozen=True)
class Cropped:
    """frames: uint8 RGB (F, height, width, 3); size: (width, height) of the footage; corner: (left, top) of the crop in
    the resized picture: what SDXL is told about a picture."""

    frames: npt.NDArray[np.uint8]
    size: tuple[int, int]
    corner: tuple[int, int]


def bucket_size(width: int, height: int, resolution: int, aspect_ratio: float, step: int) -> tuple[int, int]:
    """(width, height) in pixels for footage of a size: the shape whose aspect is nearest, in multiples of `step`.

    resolution: pixels a side of the square; aspect_ratio: of all clips, 0 for that of the footage
    """
    wanted = aspect_ratio or width / height
    shape = min(SHAPES, key=lambda shape: abs(np.log(shape[0] / shape[1] / wanted)))
    return tuple(max(step, round(side * resolution / 512 / step) * step) for side in shape)  # type: ignore[return-value]


def examples_of(
    shot: Item, num_frames: int, fps: float, most: int, resolution: int, aspect_ratio: float, step: int
) -> list[Example]:
    """The training clips of a shot: windows of `num_frames` at `fps`, side by side, at most `most` spread over it.

    By time, not by count, so motion keeps its speed; footage slower than `fps` is taken frame by frame. A shot that is
    too short for a window is one shorter clip.
    """
    stride = max(1.0, shot.fps / fps)
    there = [round(i * stride) for i in range(int((shot.num_frames - 1) / stride + 1e-6) + 1)]
    there = [index for index in there if index < shot.num_frames]
    size = bucket_size(shot.width, shot.height, resolution, aspect_ratio, step)
    if len(there) <= num_frames:
        return [Example(shot, tuple(there), *size)]
    count = min(most, len(there) // num_frames)
    starts = np.linspace(0, len(there) - num_frames, count).round().astype(int)
    return [Example(shot, tuple(there[start : start + num_frames]), *size) for start in starts]


def read_example(example: Example, at: tuple[float, float] = (0.5, 0.5)) -> Cropped:
    """Its frames, resized to fill the bucket (Lanczos) and cropped.

    at: where the crop lies, 0..1 from left and top; the middle otherwise
    Raises RunError when the file is gone or damaged.
    """
    wanted, first = set(example.frames), example.frames[0]
    count = example.frames[-1] - first + 1
    read = enumerate(frames_of(example.shot, first, count), first)
    frames = [frame for index, frame in read if index in wanted]
    if len(frames) != len(wanted):
        raise RunError(
            f"{example.shot.path.name} has fewer frames than when it was prepared.", "Prepare the folder again."
        )
    height, width = frames[0].shape[:2]
    scale = max(example.width / width, example.height / height)
    size = (max(example.width, round(width * scale)), max(example.height, round(height * scale)))
    left, top = (
        int((a - b) * part + 0.5) for a, b, part in zip(size, (example.width, example.height), at, strict=True)
    )
    out = np.empty((len(frames), example.height, example.width, 3), np.uint8)
    for i, frame in enumerate(frames):
        picture = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
        out[i] = picture[top : top + example.height, left : left + example.width]
    return Cropped(out, (width, height), (left, top))
