"""Frames as timecode and back; drop-frame counts as SMPTE ST 12-1 has it."""

from __future__ import annotations

import re

from diffscaler.errors import ScriptError
from diffscaler.screenplay.rates import RATES, rate_of

#: The one film rate that has a drop-frame count: it leaves out two numbers a minute, but for every tenth.
DROP_FRAME_RATE = "29.97"
_DROPPED_A_MINUTE = 2
_HOURS = 24
_PATTERN = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)$")


def nominal(rate: str) -> int:
    """Frames that a second of timecode counts: 24 at 23.976, 30 at 29.97."""
    return round(rate_of(rate))


def timecode_of(frame: int, rate: str, drop_frame: bool = False) -> str:
    """The timecode of a frame, counted from 00:00:00:00 and beginning anew after 24 hours.

    rate: a name of RATES; drop_frame: only at 29.97, written with a semicolon. Raises ScriptError for any other.
    """
    check_drop_frame(rate, drop_frame)
    base = nominal(rate)
    if drop_frame:
        a_minute = base * 60 - _DROPPED_A_MINUTE
        ten_minutes = a_minute * 10 + _DROPPED_A_MINUTE
        tens, rest = divmod(frame % (ten_minutes * 6 * _HOURS), ten_minutes)
        minutes = max(0, (rest - _DROPPED_A_MINUTE) // a_minute)
        frame = frame % (ten_minutes * 6 * _HOURS) + _DROPPED_A_MINUTE * (tens * 9 + minutes)
    seconds, frames = divmod(frame % (base * 3600 * _HOURS), base)
    mark = ";" if drop_frame else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frames:02d}"


def frame_of(timecode: str, rate: str) -> int:
    """The frame a timecode names, counted from 00:00:00:00. Raises ScriptError for one that does not exist."""
    found = _PATTERN.match(timecode)
    base = nominal(rate)
    if found:
        hours, minutes, seconds, frames = (int(found[index]) for index in (1, 2, 3, 5))
        drop_frame = found[4] == ";"
        check_drop_frame(rate, drop_frame)
        left_out = drop_frame and frames < _DROPPED_A_MINUTE and seconds == 0 and minutes % 10
        if hours < _HOURS and minutes < 60 and seconds < 60 and frames < base and not left_out:
            count = ((hours * 60 + minutes) * 60 + seconds) * base + frames
            whole = hours * 60 + minutes
            return count - _DROPPED_A_MINUTE * (whole - whole // 10) if drop_frame else count
    raise ScriptError(f"{timecode} is no timecode at {rate} frames a second.", "It is written like 01:00:00:00.")


def check_drop_frame(rate: str, drop_frame: bool) -> None:
    """Raise ScriptError for a drop-frame count at a rate without one."""
    if drop_frame and rate != DROP_FRAME_RATE:
        raise ScriptError(
            f"There is no drop-frame timecode at {rate} frames a second.", f"Use it at {DROP_FRAME_RATE} only."
        )
    if rate not in RATES:
        rate_of(rate)
