"""Before and after of a clip in step: as a wipe over each other or side by side. assets/theme/wipe.js moves it."""

from __future__ import annotations

from html import escape

from diffscaler.library.clips import Clip
from diffscaler.studio import Studio
from ui import pieces

EDGE = (
    '<input type="range" class="edge" min="0" max="100" step="1" value="50" aria-valuetext="50 % before, 50 % after"'
    ' aria-label="Wipe between before and after"><span class="grip" aria-hidden="true"></span>'
)
TRANSPORT = (
    '<button type="button" class="play" aria-label="Play or pause both">pause</button>'
    '<input type="range" class="scrub" min="0" max="1000" step="1" value="0" aria-label="Position in both clips">'
)


def compared(
    studio: Studio,
    before: Clip,
    after: Clip,
    *,
    wipe: bool,
    start_s: float | None = None,
    names: tuple[str, str] = ("before", "after"),
) -> str:
    """The two clips as HTML. wipe: over each other at first; a button changes between that and side by side

    They may differ in size: under a wipe the first is drawn at the second's shape.
    start_s: the second of `before` at which `after`, a trial, begins; None when both are the whole clip
    names: what stands on the two
    """
    kind, other = ("wipe", "side by side") if wipe else ("pair", "wipe")
    shape = f"--w:{max(1, after.meta.width)};--h:{max(1, after.meta.height)}"
    part = "" if start_s is None else f' data-from="{start_s:g}"'
    moving = not (before.meta.still and after.meta.still)
    label = escape(f"{names[0]} and {names[1]}")
    return (
        f'<div class="{kind} synced" style="{shape}"{part} role="group" aria-label="{label}">'
        f"{_side(studio, before, 'before', names[0])}{_side(studio, after, 'after', names[1])}{EDGE}"
        f'<div class="transport">{TRANSPORT if moving else ""}'
        f'<button type="button" class="view-as">{other}</button></div></div>'
    )


def _side(studio: Studio, clip: Clip, which: str, name: str) -> str:
    shown = pieces.player(studio, clip, label=name, controls=False)
    return f'<figure class="{which}">{shown}<figcaption>{escape(name)}</figcaption></figure>'
