"""Which shots of a data set a training run sees: thresholds are data, and what is kept follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from diffscaler.datasets.shot import Shot

#: Per cent of the longer side a second below which even what moves most is grain and compression.
STILL = 0.1


@dataclass(frozen=True)
class Thresholds:
    """What a shot must reach, or stay below; None: no limit. Units are those of Scores and seconds.

    stills, duplicates: whether shots of several frames in which nothing moves, and those seen before, are let in.
    Single pictures have no motion and no length: those limits pass them by.
    """

    motion_min: float | None = None
    motion_max: float | None = None
    sharpness_min: float | None = None
    text_max: float | None = 0.1
    brightness_min: float | None = 0.03
    seconds_min: float | None = 0.4
    seconds_max: float | None = None
    clip_min: float | None = None
    aesthetics_min: float | None = None
    stills: bool = False
    duplicates: bool = False


def is_still(shot: Shot) -> bool:
    """Whether nothing moves in a shot of several frames."""
    return shot.scores.motion_peak is not None and shot.scores.motion_peak < STILL


def reasons(shot: Shot, at: Thresholds) -> list[str]:
    """Why a shot is left out, in a few words each; empty when it is kept.

    A limit on what was not measured leaves nothing out. Tighter limits never let in what looser ones kept out.
    """
    scores = shot.scores
    seconds = None if shot.num_frames == 1 else shot.seconds
    checks = (
        (scores.motion, at.motion_min, at.motion_max, "moves too little", "moves too much"),
        (seconds, at.seconds_min, at.seconds_max, "too short", "too long"),
        (scores.sharpness, at.sharpness_min, None, "blurred", ""),
        (scores.brightness, at.brightness_min, None, "dark", ""),
        (scores.text, None, at.text_max, "", "writing in the picture"),
        (scores.clip, at.clip_min, None, "unlike its caption", ""),
        (scores.aesthetics, at.aesthetics_min, None, "little liked", ""),
    )  # fmt: skip
    found = ["taken out by hand"] if shot.left_out else []
    for value, low, high, below, above in checks:
        if value is not None and low is not None and value < low:
            found.append(below)
        elif value is not None and high is not None and value > high:
            found.append(above)
    if is_still(shot) and not at.stills:
        found.append("nothing moves")
    if shot.duplicate_of and not at.duplicates:
        found.append("seen before")
    return found


def kept(shot: Shot, at: Thresholds) -> bool:
    """Whether a training run sees a shot."""
    return not reasons(shot, at)
