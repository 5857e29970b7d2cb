"""Two pages on one film: what a page was showing tells whether a person has seen what they are about to replace."""

from __future__ import annotations

from typing import Any

from diffscaler.errors import InvalidRequest

#: Of what a page was showing: nobody knows, as after the studio was started again.
UNKNOWN: Any = object()

#: The film or shot whose value a page shows in one of its fields, and that value. One of each field, as a person goes
#: on to the next while the first is still being kept.
Held = tuple[str, Any]

_SHOWN_LETTERS = 80


class ChangedElsewhere(InvalidRequest):
    """Another page has changed a value since this one showed it."""


def held_of(held: Held | None, of: str) -> Any:
    """What a page showed in a field of the film or shot `of`; UNKNOWN where it showed another one's or none."""
    return held[1] if held and held[0] == of else UNKNOWN


def decided(shown: Any, value: Any, now: Any, what: str) -> Any:
    """The value to keep.

    shown: what the page had shown before the person left `value` there; now: what is kept; what: its name in a sentence
    A value that nobody touched never replaces what came since.
    Raises ChangedElsewhere where both have changed it, each to something else.
    """
    if shown is UNKNOWN or now in (shown, value):
        return value
    if value == shown:
        return now
    words = " ".join(str(now).split())
    if len(words) > _SHOWN_LETTERS:
        words = f"{words[:_SHOWN_LETTERS]}…"
    raise ChangedElsewhere(
        f"{what} was changed on another page meanwhile, to {f'“{words}”' if words else 'nothing'}.",
        "Set it once more to put yours in its place.",
    )
