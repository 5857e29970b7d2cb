"""What is measured of one shot while its frames go by, in memory that does not grow with its length."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from diffscaler.datasets.shot import Scores
from training.data.fingerprint import fingerprint
from training.data.footage import Footage, Frame, Picture
from training.data.motion import Motion
from training.data.writing import writing_share

#: Pixels of the longer side at which sharpness and writing are looked for: one scale for clips of all sizes.
SIDE = 512
#: Frames looked at for that: at least half as many, spread evenly.
MOST_KEPT = 8
#: Of those, looked at for writing.
READ = 3


@dataclass(frozen=True)
class Measured:
    """A shot's scores with what else follows from its frames.

    frames: a few of them, in order, at SIDE; three: the first, the middle and the last one, fewer of a short shot
    """

    scores: Scores
    print: str
    frames: tuple[Picture, ...]
    three: tuple[Picture, ...]


class Spread:
    """Keeps a few of the frames that go by, evenly spread however many there will be."""

    def __init__(self) -> None:
        self.step = 1
        self.seen = 0
        self.kept: list[Picture] = []
        self.last: Frame | None = None

    def add(self, frame: Frame) -> None:
        self.last = frame
        if self.seen % self.step == 0:
            if len(self.kept) == MOST_KEPT:
                self.kept, self.step = self.kept[::2], self.step * 2
            if self.seen % self.step == 0:
                self.kept.append(frame.shrunk(SIDE))
        self.seen += 1

    def three(self) -> tuple[Picture, ...]:
        """The first frame, the kept one nearest to the middle, and the last; each once."""
        if self.last is None:
            return ()
        half = (self.seen - 1) / 2
        middle = min(range(len(self.kept)), key=lambda at: abs(at * self.step - half))
        inside = tuple(self.kept[at] for at in sorted({0, middle}))
        # What is kept need not end with the last one.
        return inside if self.seen == 1 else (*inside, self.last.shrunk(SIDE))


class Scorer:
    """Give it every frame of a shot, then ask `measured`."""

    def __init__(self, footage: Footage, looks: bool = False) -> None:
        """looks: whether `Measured.three` is wanted"""
        self.looks = looks
        self.motion = Motion(max(footage.width, footage.height), footage.fps)
        self.still = footage.num_frames == 1
        self.spread = Spread()

    def add(self, frame: Frame) -> None:
        if not self.still:
            self.motion.add(frame)
        self.spread.add(frame)

    def measured(self) -> Measured:
        frames = self.spread.kept
        greys = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in frames]
        moved = self.motion.done()
        read = [frames[round(i * (len(frames) - 1) / (READ - 1))] for i in range(READ)] if len(frames) > 1 else frames
        scores = Scores(
            motion=round(moved.rate, 4) if moved else None,
            motion_px=round(moved.pixels, 4) if moved else None,
            motion_peak=round(moved.peak, 4) if moved else None,
            sharpness=round(float(np.mean([cv2.Laplacian(grey, cv2.CV_32F).var() for grey in greys])), 2),
            # Writing that comes and goes is there: the worst frame counts.
            text=round(max(writing_share(frame) for frame in read), 4),
            brightness=round(float(np.mean([grey.mean() for grey in greys])) / 255, 4),
        )
        return Measured(scores, fingerprint(frames), tuple(frames), self.spread.three() if self.looks else ())
