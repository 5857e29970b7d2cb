"""How much a shot moves, by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from diffscaler.upscale.dis import dis_flow
from training.data.footage import Frame

Grey = npt.NDArray[np.uint8]

#: Pixels of the longer side at which flow is measured.
SIDE = 256
#: Pairs of frames looked at in each second.
PAIRS_A_SECOND = 4
#: Share of each side not counted: there a moving picture has nothing to be matched with.
MARGIN = 1 / 8
#: Levels of difference below which nothing is seen to move, so that grain and compression count as standing still.
SEEN = 1.5
#: Flow of less than two pixels is off by up to a quarter; frames further apart are compared then, up to this many.
SURE_PX, SLOW_GAP = 2.0, 8
#: Of the flow's lengths: what a small thing in a large still picture moves.
PEAK = 0.99


@dataclass(frozen=True)
class Moved:
    """pixels: of the clip, from one frame to the next; rate: per cent of its longer side a second

    peak: the rate of the hundredth of the picture that moves most
    """

    pixels: float
    rate: float
    peak: float


@dataclass
class Motion:
    """The mean length of flow vectors over pairs of frames, a few pairs a second.

    longer: pixels of the clip's longer side; fps: its rate
    Up to a tenth of the longer side from frame to frame is measured; what moves faster is not followed.
    """

    longer: int
    fps: float

    def __post_init__(self) -> None:
        self.every = max(1, round(self.fps / PAIRS_A_SECOND))
        self.gap = 1
        self.next = 0  # frame of the shot at which a pair may begin
        self.count = 0
        self.before: tuple[int, float, Grey] | None = None
        self.unsure: tuple[float, float, float] | None = None
        self.found: list[tuple[float, float, float]] = []

    def add(self, frame: Frame) -> None:
        """The next frame of the shot."""
        at, self.count = self.count, self.count + 1
        if self.before is None:
            if at >= self.next:
                self.before = (at, frame.time_s, prepared(frame))
                self.next = at + self.every
            return
        first, then, grey = self.before
        if at - first < self.gap:
            return
        now = prepared(frame)
        lengths = flow_lengths(grey, now)
        # Shares of the side, which shrinking leaves as they were.
        share, peak = lengths.mean() / max(grey.shape), np.quantile(lengths, PEAK) / max(grey.shape)
        seconds = max(1e-3, frame.time_s - then)
        self.unsure = (float(share) / (at - first), float(share) / seconds, float(peak) / seconds)
        slow = float(np.quantile(lengths, 0.95)) < SURE_PX
        if slow and self.gap < SLOW_GAP:
            self.gap *= 2
            return
        if not slow:
            self.gap = max(1, self.gap // 2)
        self._settle()
        self.before = (at, frame.time_s, now) if at >= self.next else None
        self.next = at + self.every if self.before else self.next

    def _settle(self) -> None:
        if self.unsure:
            self.found.append(self.unsure)
        self.before = self.unsure = None

    def done(self) -> Moved | None:
        """What was measured; None for a single picture."""
        self._settle()
        if not self.found:
            return None
        pixels, rate, peak = np.mean(self.found, 0)
        return Moved(float(pixels) * self.longer, 100 * float(rate), 100 * float(peak))


def prepared(frame: Frame) -> Grey:
    """A frame for flow: uint8 grey, small, without grain."""
    grey = cv2.cvtColor(frame.shrunk(SIDE), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.uint8)


def flow_lengths(a: Grey, b: Grey) -> npt.NDArray[np.float32]:
    """Lengths of the flow from `a` to `b`, uint8 grey (H, W) each, in pixels, away from the borders: float32 (H', W').

    0 where the pictures do not differ by what can be seen.
    """
    down, across = (int(size * MARGIN) for size in a.shape)
    inner = np.s_[down : a.shape[0] - down, across : a.shape[1] - across]
    moved = cv2.blur(cv2.absdiff(a, b).astype(np.float32), (25, 25))[inner] > SEEN
    if not moved.any():
        return np.zeros(moved.shape, np.float32)
    flow = dis_flow(a, b, "fast")[inner]
    return np.asarray(np.where(moved, np.hypot(flow[..., 0], flow[..., 1]), 0), np.float32)
