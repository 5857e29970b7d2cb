"""What the pair's frame-rate network learns from: windows of clips of which every second frame is kept back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffscaler.upscale.flow import motion_of, sides_at
from diffscaler.upscale.pair.ssr import to_unit
from diffscaler.upscale.pair.tsr import Guess
from training.pair.data import AUGMENTED_SHARE, LEVELS, turned
from training.scenes.cache import OnClip

#: Side of a training patch, in pixels.
CROP = 128

#: Of several places the one where the two sides differ most: most of a drawn scene stands still.
PLACES = 3

#: Share of the windows that leave out every second frame: motion twice as fast, where a clip is long enough.
FAST_SHARE = 0.25

#: Bytes of a moment kept on disk: both sides in RGB, and what the later one counts.
CHANNELS = 7


@dataclass(frozen=True)
class Window:
    """guess: of its frames; truth: (F, 3, H, W) in -1..1; level: deviation of the noise to be added to the guess."""

    guess: Guess
    truth: Tensor
    level: float


class TsrData:
    """frames: uint8 RGB (N, F, H, W, 3); sides: {1, 2: (N, F, H, W, CHANNELS) uint8}, see `sides_of`."""

    def __init__(self, frames: np.ndarray, sides: dict[int, np.ndarray]) -> None:
        self.frames, self.sides = frames, sides
        self.crop = min(CROP, *(side // 8 * 8 for side in frames.shape[2:4]))

    def window(self, num_frames: int, rng: np.random.Generator) -> Window:
        """A part of a clip, its first and every second frame known; turned, mirrored and backwards at random."""
        stride = 2 if 2 in self.sides and rng.random() < FAST_SHARE else 1
        num_frames = min(num_frames, ((self.frames.shape[1] - 1) // stride) // 2 * 2 + 1)
        span = stride * (num_frames - 1) + 1
        clip = int(rng.integers(len(self.frames)))
        start = int(rng.integers((self.frames.shape[1] - span) // stride + 1)) * stride
        at = np.s_[clip, start : start + span : stride]
        places = [self._place(rng) for _ in range(PLACES)]
        shown, place = max(((self.sides[stride][(*at, *box)], box) for box in places), key=lambda each: unlike(each[0]))
        truth = to_unit(self.frames[(*at, *place)])
        way = rng.random(4) < 0.5
        level = float(rng.uniform(*LEVELS)) if rng.random() < AUGMENTED_SHARE else 0.0
        return Window(turned_guess(guess_from(truth, shown), way), turned(truth, way), level)

    def moment(self, rng: np.random.Generator) -> Window:
        """One frame that is not known, with its guess, as a window of its own."""
        whole = self.window(3, rng)
        guess = Guess(*(part[1:2] for part in (whole.guess.base, whole.guess.gap, whole.guess.share)), known=False)
        return Window(guess, whole.truth[1:2], whole.level)

    def _place(self, rng: np.random.Generator) -> tuple[slice, slice]:
        top, left = (int(rng.integers(side - self.crop + 1)) for side in self.frames.shape[2:4])
        return slice(top, top + self.crop), slice(left, left + self.crop)


def unlike(sides: np.ndarray) -> float:
    """How much two sides differ: where something moves."""
    middle = sides[1::2].astype(np.int16)
    return float(np.abs(middle[..., :3] - middle[..., 3:6]).mean())


def guess_from(truth: Tensor, sides: np.ndarray) -> Guess:
    """The guess of a window (F, 3, H, W) of which the sides of the middle frames (F, H, W, CHANNELS) are kept."""
    base, gap, share = truth.clone(), torch.zeros_like(truth), torch.zeros_like(truth[:, :1])
    middle = torch.from_numpy(sides[1::2].astype(np.float32)).permute(0, 3, 1, 2)
    from_a, from_b, later = middle[:, :3] / 127.5 - 1, middle[:, 3:6] / 127.5 - 1, middle[:, 6:] / 255
    gap[1::2], share[1::2] = from_b - from_a, later
    base[1::2] = from_a + later * (from_b - from_a)
    return Guess(base, gap, share)


def turned_guess(guess: Guess, way: np.ndarray) -> Guess:
    """A guess mirrored and played backwards as `turned` does; backwards, the sides change places."""
    base, gap, share = (turned(part, way) for part in (guess.base, guess.gap, guess.share))
    if way[3]:
        known = torch.arange(len(share)).view(-1, 1, 1, 1) % 2 == 0
        gap, share = -gap, torch.where(known, share, 1 - share)
    return Guess(base, gap, share)


def sides_of(frames: np.ndarray, stride: int, path: Path, on_clip: OnClip) -> np.ndarray:
    """What the frames `stride` before and after each frame say of it, uint8 (N, F, H, W, CHANNELS); kept at `path`.

    Frames without both neighbours have zeros; with a stride of 2 only frames at even places have them.
    """
    if not path.exists():
        part = path.with_suffix(".part.npy")
        made = np.lib.format.open_memmap(part, "w+", np.uint8, (*frames.shape[:4], CHANNELS))
        for i, clip in enumerate(frames):
            for at in range(stride, len(clip) - stride, stride):
                a, b = clip[at - stride], clip[at + stride]
                sides = sides_at(a, b, motion_of(a, b), 0.5)
                whole = np.concatenate([sides.from_a, sides.from_b, sides.share[..., None] * 255], axis=-1)
                made[i, at] = np.rint(np.clip(whole, 0, 255)).astype(np.uint8)
            on_clip(i + 1)
        made.flush()
        part.replace(path)
    return np.load(path, mmap_mode="r")
