"""A folder of someone's own clips as training data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from diffscaler.datasets.manifest import is_dataset
from diffscaler.video.pictures import natural_key
from training.clips import ClipSet
from training.data.layouts.detect import read_layout
from training.data.layouts.listing import PICTURE_SUFFIXES, Entry
from training.data.manifest import Item, frames_of, read_manifest
from training.events import RunError

#: Clips are resampled to this rate, the one the built-in model speaks.
FPS = 8

#: Enough for a small model, and an upper bound on memory: a longer clip is cut.
MOST_WINDOWS_PER_CLIP = 16

LAYOUT = "Put each clip (GIF, MP4, MKV, ...) beside a .txt file of the same name that says what it shows."


def read_folder(folder: Path, size: int, num_frames: int) -> ClipSet:
    """Read captioned clips, cut into windows of `num_frames` at 8 fps and to squares of `size` pixels.

    A folder in any layout of training/data/layouts, or a prepared data set, of which the kept shots are read.
    Raises RunError, naming the file, when there is nothing to train on, a caption is missing or a clip is unreadable.
    """
    frames: list[np.ndarray] = []
    captions: list[list[str]] = []
    for name, said, read in _prepared(folder, size) if is_dataset(folder) else _clips_in(folder, size):
        try:
            for window in _windows(read, num_frames):
                frames.append(window)
                captions.append(said)
        except (OSError, ValueError, UnidentifiedImageError) as error:
            raise RunError(
                f"{name} cannot be read as a clip ({error}).", "Remove it, or save it again as MP4."
            ) from error
    if not frames:
        raise RunError(f"There are no clips in {folder}.", LAYOUT)
    stack = np.stack(frames)
    # Nobody has marked the subject: every part of the picture counts the same.
    masks = np.full((*stack.shape[:2], size // 8, size // 8), 255, np.uint8)
    return ClipSet(stack, masks, captions)


def _prepared(dataset: Path, size: int) -> Iterator[tuple[str, list[str], Iterator[np.ndarray]]]:
    """(name, captions, frames at 8 fps) of each kept shot of a prepared data set."""
    found = read_manifest(dataset)
    for sentence in found.warnings:
        print(sentence, file=sys.stderr)
    for item in found:
        yield item.path.name, list(item.captions), _shot(item, size)


def _shot(item: Item, size: int) -> Iterator[np.ndarray]:
    step = max(1.0, item.fps / FPS)
    wanted = 0.0
    for i, frame in enumerate(frames_of(item)):
        if i + 0.5 >= wanted:
            wanted += step
            yield _square(frame, size)


def _clips_in(folder: Path, size: int) -> Iterator[tuple[str, list[str], Iterator[np.ndarray]]]:
    """(name, captions, frames at 8 fps) of each clip of a folder."""
    for entry in captioned_clips(folder):
        yield entry.path.name, list(entry.captions), _frames(entry.path, size)


def captioned_clips(folder: Path, captions_needed: bool = True) -> Iterator[Entry]:
    """The clips of a folder in any layout, with their captions. Raises RunError for one that has none.

    captions_needed: False for recipes that learn without words too
    """
    listing = read_layout(folder)
    # What a table cannot use is passed over; a text beside its clip that cannot be read is a mistake to mend.
    odd = {fault.where: fault.sentence for fault in listing.faults}
    for entry in listing.entries:
        text = entry.path / "prompt.txt" if entry.path.is_dir() else entry.path.with_suffix(".txt")
        if text.name in odd:
            raise RunError(f"{text.name} is not text in UTF-8.", "Save it again as UTF-8.")
        if captions_needed and not entry.captions and text.is_file():
            raise RunError(f"{text.name} is empty.", f"Write what {entry.path.name} shows into it.")
        if captions_needed and not entry.captions:
            raise RunError(f"{entry.path.name} has no caption.", f"Write what it shows into {text.name}.")
        yield entry


def _frames(path: Path, size: int) -> Iterator[np.ndarray]:
    """Frames of a clip at 8 fps, uint8 RGB (size, size, 3), the middle square."""
    if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES:
        yield _square(np.array(Image.open(path).convert("RGB")), size)
        return
    if path.is_dir():
        pictures = sorted((p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES), key=natural_key)
        for picture in pictures:
            yield _square(np.array(Image.open(picture).convert("RGB")), size)
        return
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("it holds no pictures")
        stream = container.streams.video[0]
        rate = float(stream.average_rate or FPS)
        wanted = 0.0
        for i, frame in enumerate(container.decode(stream)):
            # By time, not by count, so that a clip of variable rate keeps its speed.
            time = float(frame.time) if frame.time is not None else i / rate
            if time + 0.5 / rate >= wanted:
                wanted = max(wanted + 1 / FPS, time)
                yield _square(frame.to_ndarray(format="rgb24"), size)


def _square(frame: np.ndarray, size: int) -> np.ndarray:
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = frame[top : top + side, left : left + side]
    return cv2.resize(middle, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def _windows(frames: Iterator[np.ndarray], num_frames: int) -> list[np.ndarray]:
    """Consecutive windows (num_frames, H, W, 3); a clip that is too short is played forth and back."""
    kept: list[np.ndarray] = []
    for frame in frames:
        kept.append(frame)
        if len(kept) == num_frames * MOST_WINDOWS_PER_CLIP:
            break
    if not kept:
        raise ValueError("it has no frames")
    if len(kept) < num_frames:
        there_and_back = [*range(len(kept)), *range(len(kept) - 2, 0, -1)]
        return [np.stack([kept[there_and_back[i % len(there_and_back)]] for i in range(num_frames)])]
    starts = range(0, len(kept) - num_frames + 1, num_frames)
    return [np.stack(kept[s : s + num_frames]) for s in starts]
