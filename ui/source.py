"""The clip another one was made from, for before and after."""

from __future__ import annotations

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.studio import Studio


def source_of(studio: Studio, clip: Clip) -> Clip | None:
    """What a swap or an upscale was asked of, or None when it is gone or the clip was made from words."""
    key = (clip.request or {}).get("clip")
    try:
        return studio.library.clip(str(key)) if key else None
    except DiffScalerError:
        return None
