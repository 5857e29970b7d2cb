"""What a request will cost, said on the button before it is pressed."""

from __future__ import annotations

from diffscaler.requests import Request
from diffscaler.studio import Studio


def costing(studio: Studio, verb: str, request: Request, count: int = 1) -> str:
    """ "Generate, about 12 s", for `count` of them. Raises what Studio.recipe raises."""
    recipe = studio.recipe(request)
    estimate = studio.estimate(recipe)
    if estimate["ready"] == estimate["steps"] and count == 1:
        return f"{verb}, made before"
    return f"{verb}, about {duration(estimate['seconds'] * count)}"


def duration(seconds: float) -> str:
    """12 s, 3 min, 1.5 h"""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def upscalers(studio: Studio) -> list[tuple[str, str]]:
    """(title, name) of what can upscale; the built-in one chooses its network by the scale asked for."""
    found = [("built in, quick", "builtin")]
    for spec in studio.catalogue.specs("upscaler"):
        if not spec.name.startswith("builtin-"):
            found.append((f"{spec.title} ({spec.licence})" if spec.licence != "unknown" else spec.title, spec.name))
    return found
