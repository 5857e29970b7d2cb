"""A stream of frames through a network that sees a few at a time: overlapping windows, faded into one another.

Where windows begin is counted from the clip's first frame, so that it does not matter how a clip is cut into chunks or
where a job goes on. A window ends at a cut and begins anew after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from diffscaler.media import Frames

#: What a part of a window is drawn by: frames of one shot, uint8 RGB (F, h, w, 3), and how many of the clip come before
#: them -> float32 (F, H, W, 3), levels 0..255.
Draw = Callable[[Frames, int], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Windows:
    """window: frames; overlap: of those shared with the next one, at most half."""

    window: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.overlap <= self.window:
            raise ValueError(f"an overlap of {self.overlap} frames does not fit a window of {self.window}")

    @property
    def stride(self) -> int:
        return self.window - self.overlap

    def first(self, start: int) -> int:
        """Index of the first window that says something about frame `start`."""
        return max(0, (start - self.window) // self.stride + 1)

    def count(self, num_frames: int) -> int:
        """Windows of a clip; the last may be shorter, and begins before the one before it ends."""
        return max(1, -(-(num_frames - self.overlap) // self.stride))

    def weight(self, position: int) -> float:
        """What a window counts for its frame at `position`: less the nearer to an end it shares, never nothing."""
        return min(1.0, min(position + 1, self.window - position) / (self.overlap + 1))


def faded(
    frames: Iterable[npt.NDArray[np.uint8]], windows: Windows, num_frames: int, start: int, draw: Draw
) -> Iterator[npt.NDArray[np.uint8]]:
    """Each drawn frame from `start` on.

    frames: uint8 RGB (h, w, 3), from the clip's frame `windows.first(start) * windows.stride` on
    """
    source = iter(frames)
    held: list[npt.NDArray[np.uint8]] = []
    sums: list[npt.NDArray[np.float32]] = []  # of the frames that the window before has drawn too
    for index in range(windows.first(start), windows.count(num_frames)):
        begin = index * windows.stride
        length = min(windows.window, num_frames - begin)
        held += [next(source) for _ in range(length - len(held))]
        made = [part * windows.weight(i) for i, part in enumerate(drawn(np.stack(held), begin, draw))]
        weights = [windows.weight(i) for i in range(length)]
        for i, earlier in enumerate(sums):
            made[i] += earlier
            weights[i] += windows.weight(windows.stride + i)
        last = index + 1 == windows.count(num_frames)
        done = length if last else windows.stride
        for i in range(done):
            if begin + i >= start:
                yield np.rint(np.clip(made[i] / weights[i], 0, 255)).astype(np.uint8)
        held, sums = held[done:], made[done:]


def drawn(frames: Frames, begin: int, draw: Draw) -> list[npt.NDArray[np.float32]]:
    """The frames of a window, shot by shot."""
    edges = [0, *cuts(frames), len(frames)]
    return [frame for a, b in pairwise(edges) for frame in draw(frames[a:b], begin + a)]


def cuts(frames: Frames) -> list[int]:
    """Where in a window another shot begins."""
    from diffscaler.video.cuts import is_cut, thumbnail

    small = [thumbnail(frame) for frame in frames]
    return [i for i in range(1, len(small)) if is_cut(small[i - 1], small[i])]
