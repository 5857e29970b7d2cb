"""What a request will cost, said on the button before it is pressed."""

from __future__ import annotations

from html import escape

from diffscaler.requests import Request
from diffscaler.studio import Studio
from diffscaler.wording import needs_in_words, seconds_in_words


def costing(studio: Studio, verb: str, request: Request, count: int = 1) -> str:
    """ "Generate, about 12 s", for `count` of them. Raises what Studio.recipe raises."""
    return outlook(studio, verb, request, count)[0]


def outlook(studio: Studio, verb: str, request: Request, count: int = 1) -> tuple[str, str]:
    """The button's label, and what `count` of them will need, as HTML. Raises what Studio.recipe raises."""
    estimate = studio.estimate(studio.recipe(request))
    if estimate["ready"] == estimate["steps"] and count == 1:
        return f"{verb}, made before", ""
    needs = escape(needs_in_words(estimate, count))
    return f"{verb}, about {seconds_in_words(estimate['seconds'] * count)}", f'<p class="words">{needs}</p>'


def interpolators(studio: Studio) -> list[tuple[str, str]]:
    """(title, name) of what can draw frames between."""
    return [("along the motion", "flow")] + [
        (f"{spec.title} ({spec.licence})" if spec.licence != "unknown" else spec.title, spec.name)
        for spec in studio.catalogue.specs("interpolator")
    ]


def upscalers(studio: Studio) -> list[tuple[str, str]]:
    """(title, name) of what can upscale; the built-in one chooses its network by the scale asked for."""
    found = [("built in, quick", "builtin")]
    for spec in studio.catalogue.specs("upscaler"):
        if not spec.name.startswith("builtin-"):
            found.append((f"{spec.title} ({spec.licence})" if spec.licence != "unknown" else spec.title, spec.name))
    return found
