"""Failures in the words a person reads: one sentence, one hint."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from diffscaler.errors import DiffScalerError

NAMES = {"faces": "photo of the face", "num_frames": "number of frames"}


def worded(error: BaseException) -> tuple[str, str]:
    """(sentence, hint) for any exception. What is not meant for the user is called what it is: a bug."""
    if isinstance(error, DiffScalerError):
        return error.message, error.hint
    if isinstance(error, ValidationError):
        return of_validation(error)
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return "The disk is full.", "Free some space, then run the same request to continue."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "The disk is full.", "Free some space, then run the same request to continue."
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{Path(str(error.filename)).name}: {error.strerror}.", "Check that the place exists and may be written."
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "Memory ran out.", "Use a shorter or smaller clip, a smaller tile, or another model."
    return f"This is a bug: {type(error).__name__}: {str(error)[:200]}", "The log has the details."


def of_validation(error: ValidationError) -> tuple[str, str]:
    """The first wrong field, in words."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "request"
    context = first.get("ctx", {})
    kind = first["type"]
    if field == "prompt" and kind in ("missing", "string_too_short"):
        return "The prompt is empty.", "Describe a shot, for example: a cat sleeping on a road."
    if kind == "string_too_long":
        return f"The {field} is too long.", f"Use at most {context.get('max_length')} characters."
    if kind == "value_error" and "error" in context:
        return str(context["error"]), "Change that value."
    if kind == "extra_forbidden":
        return f"There is no setting called {field!r}.", "Check the spelling."
    if kind == "missing" or (field in ("clip", "faces") and kind in ("too_short", "string_pattern_mismatch")):
        return f"The {NAMES.get(field, field)} is missing.", "Pick or upload one first."
    return (
        f"{field} = {str(first.get('input'))[:60]}: {first['msg'][0].lower()}{first['msg'][1:]}.",
        "Change that value.",
    )


def bytes_in_words(size_bytes: float) -> str:
    """A size as people read it, with the decimal units disks are sold by: "6.9 GB", "120 MB", "3 kB", "12 bytes"."""
    for unit, name, digits in ((1e9, "GB", 1), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.{digits}f} {name}"
    return "1 byte" if round(size_bytes) == 1 else f"{size_bytes:.0f} bytes"


def seconds_in_words(seconds: float) -> str:
    """A wait as people say it: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def needs_in_words(estimate: dict[str, Any], count: int = 1) -> str:
    """What Studio.estimate says of memory and disk: "Memory: about 0.8 GB. Disk: 3 MB. To fit, ...". "" for nothing."""
    fit, said = estimate["fit"], []
    if fit and fit.needed_bytes:
        said.append(f"Memory: about {bytes_in_words(fit.needed_bytes)}.")
    if estimate["disk_bytes"]:
        said.append(f"Disk: about {bytes_in_words(estimate['disk_bytes'] * count)}.")
    if fit and fit.words:
        said.append(f"To fit, {fit.words}.")
    return " ".join(said)
