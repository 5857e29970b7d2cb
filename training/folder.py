"""A folder of someone's own clips as training data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from training.clips import ClipSet
from training.events import RunError

CLIP_SUFFIXES = frozenset({".gif", ".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

#: Clips are resampled to this rate, the one the built-in model speaks.
FPS = 8

#: Enough for a small model, and an upper bound on memory: a longer clip is cut.
MOST_WINDOWS_PER_CLIP = 16

LAYOUT = "Put each clip (GIF, MP4, MKV, ...) beside a .txt file of the same name that says what it shows."


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key by which frame2 comes before frame10."""
    return [(0, int(part)) if part.isdigit() else (1, part.lower()) for part in re.split(r"(\d+)", path.name) if part]


def read_folder(folder: Path, size: int, num_frames: int) -> ClipSet:
    """Read captioned clips, cut into windows of `num_frames` at 8 fps and to squares of `size` pixels.

    A clip is a video file with a .txt of the same name, or a folder of pictures with a prompt.txt.
    Raises RunError, naming the file, when there is nothing to train on, a caption is missing or a clip is unreadable.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder {folder}.", LAYOUT)
    frames: list[np.ndarray] = []
    captions: list[list[str]] = []
    for path, caption_path in clips_in(folder):
        caption = caption_of(path, caption_path)
        try:
            for window in _windows(_frames(path, size), num_frames):
                frames.append(window)
                captions.append([caption])
        except (OSError, ValueError, UnidentifiedImageError) as error:
            raise RunError(
                f"{path.name} cannot be read as a clip ({error}).", "Remove it, or save it again as MP4."
            ) from error
    if not frames:
        raise RunError(f"There are no clips in {folder}.", LAYOUT)
    stack = np.stack(frames)
    # Nobody has marked the subject: every part of the picture counts the same.
    masks = np.full((*stack.shape[:2], size // 8, size // 8), 255, np.uint8)
    return ClipSet(stack, masks, captions)


def clips_in(folder: Path) -> Iterator[tuple[Path, Path]]:
    """(clip, its caption file) in natural order; the caption file may not exist."""
    for path in sorted(folder.iterdir(), key=natural_key):
        if path.suffix.lower() in CLIP_SUFFIXES:
            yield path, path.with_suffix(".txt")
        elif path.is_dir() and any(p.suffix.lower() in PICTURE_SUFFIXES for p in path.iterdir()):
            yield path, path / "prompt.txt"


def caption_of(clip: Path, path: Path) -> str:
    try:
        caption = " ".join(path.read_text(encoding="utf-8").split())
    except FileNotFoundError:
        raise RunError(f"{clip.name} has no caption.", f"Write what it shows into {path.name}.") from None
    except UnicodeDecodeError:
        raise RunError(f"{path.name} is not text in UTF-8.", "Save it again as UTF-8.") from None
    if not caption:
        raise RunError(f"{path.name} is empty.", f"Write what {clip.name} shows into it.")
    return caption


def _frames(path: Path, size: int) -> Iterator[np.ndarray]:
    """Frames of a clip at 8 fps, uint8 RGB (size, size, 3), the middle square."""
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
