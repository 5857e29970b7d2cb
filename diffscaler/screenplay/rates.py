"""Frame rates of film and television, exact, and seconds as whole frames."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, get_args

from diffscaler.errors import ScriptError

RateName = Literal["23.976", "24", "25", "29.97", "30"]
RATE_NAMES: tuple[str, ...] = get_args(RateName)

#: 23.976 and 29.97 are names: the rates are 24 and 30 slowed by 1000 / 1001.
RATES: dict[str, Fraction] = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
}


def rate_of(name: str) -> Fraction:
    """Frames a second. Raises ScriptError for a name that is none of RATE_NAMES."""
    if name not in RATES:
        raise ScriptError(f"{name} is no frame rate of a film here.", f"There are: {', '.join(RATES)}.")
    return RATES[name]


def frames_of(seconds: float, rate: Fraction) -> int:
    """Whole frames nearest to a time, at least one."""
    return max(1, round(Fraction(seconds) * rate))
