"""When the frames of a clip are shown, for buttons that go to one and for what is done at the moment on the monitor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffscaler.errors import InvalidRequest
from diffscaler.library.clips import Clip, ClipLibrary

HERE_S = 0.25


@dataclass(frozen=True)
class Moments:
    """starts: float64 (N + 1,), seconds from the first frame's: when each frame begins to be shown, and the end"""

    starts: npt.NDArray[np.float64]

    def start(self, frame: int) -> float:
        return float(self.starts[min(frame, len(self.starts) - 1)])

    def middle(self, frame: int) -> float:
        """A time at which a player certainly shows this frame, seconds."""
        return (self.start(frame) + self.start(frame + 1)) / 2

    def around(self, at: str) -> tuple[int, int]:
        """The frames [start, stop) of the quarter second around a moment. at: seconds, as the page sends them

        Raises InvalidRequest when it sent none.
        """
        try:
            middle = float(at)
        except ValueError:
            middle = math.nan
        if not math.isfinite(middle):
            raise InvalidRequest("No moment of the clip is shown.", "Stop the clip where it is to be corrected.")
        total = max(1, len(self.starts) - 1)
        shown = int(np.searchsorted(self.starts, middle - HERE_S / 2, side="right")) - 1
        start = min(total - 1, max(0, shown))
        return start, min(total, max(start + 1, int(np.searchsorted(self.starts, middle + HERE_S / 2))))


def moments_of(library: ClipLibrary, clip: Clip) -> Moments:
    """Those of a clip's frames; where they keep no beat they are read from its file.

    Raises ClipNotFound, MediaError.
    """
    if not clip.meta.vfr:
        return steady(clip.meta.num_frames, float(clip.meta.fps))
    from diffscaler.video.timeline import read_timeline

    timeline = read_timeline(library.path(clip.key))
    return Moments(np.append(timeline.times, timeline.duration_s))


def steady(num_frames: int, fps: float) -> Moments:
    return Moments(np.arange(num_frames + 1) / fps)
