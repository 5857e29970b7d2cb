"""Letters on cards and in burn-in: Pillow's own font, and DejaVu where it lacks a letter and that is installed."""

from __future__ import annotations

from typing import Any

#: As FreeType finds it in the system's font folders.
FALLBACK = "DejaVuSans.ttf"


def font_for(text: str, size_px: int) -> tuple[Any, str]:
    """(a Pillow font, the letters of `text` that it cannot draw, each once).

    size_px: of the letters' height, about
    """
    from PIL import ImageFont

    own = ImageFont.load_default(size_px)
    missing = lacking(own, text)
    if not missing:
        return own, ""
    try:
        other = ImageFont.truetype(FALLBACK, size_px)
    except OSError:
        return own, missing
    still = lacking(other, text)
    return (other, still) if len(still) < len(missing) else (own, missing)


def lacking(font: Any, text: str) -> str:
    """The letters that a font shows as its box for unknown ones."""
    box = _shape(font, "\uffff")
    return "".join(letter for letter in dict.fromkeys(text) if not letter.isspace() and _shape(font, letter) == box)


def _shape(font: Any, letter: str) -> tuple[Any, bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
