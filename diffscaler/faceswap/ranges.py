"""Wording for stretches of frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

AT_MOST = 5


def missing_note(covered: npt.NDArray[np.bool_], fps: float, what: str = "No face was found in") -> str | None:
    """What to tell about frames that a swap leaves as they are, None when there are none.

    covered: bool (N,), False in those frames; fps: frames per second; what: why, in words before the frames
    """
    listed = missing_frames(covered, fps)
    if listed is None:
        return None
    rest = "it is unchanged" if listed.startswith("frame ") else "they are unchanged"
    return f"{what} {listed}; {rest}."


def missing_frames(covered: npt.NDArray[np.bool_], fps: float) -> str | None:
    """ "frame 3 (0:00.4)" or "frames 3-9 (0:00.4-0:01.1), 12 (0:01.5)": those not covered, the longest stretches of
    them by name; None when there are none. covered: bool (N,); fps: frames per second"""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], covered, [True]]).astype(np.int8)))
    spans = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    if not spans:
        return None
    named = sorted(sorted(spans, key=lambda span: span[0] - span[1])[:AT_MOST])
    texts = [
        f"{a}-{b - 1} ({clock(a / fps)}-{clock(b / fps)})" if b - a > 1 else f"{a} ({clock(a / fps)})" for a, b in named
    ]
    listed = ", ".join(texts)
    if len(spans) > len(named):
        rest = sum(b - a for a, b in spans) - sum(b - a for a, b in named)
        listed += f" and {rest} more frame{'s' if rest > 1 else ''}"
    alone = len(spans) == 1 and spans[0][1] - spans[0][0] == 1
    return f"frame{'' if alone else 's'} {listed}"


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds.tenths, e.g. 0:01.6."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"
