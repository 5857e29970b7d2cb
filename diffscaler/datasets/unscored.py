"""Limits on scores that shots have not: a limit leaves nothing out that was not measured, which has to be said."""

from __future__ import annotations

from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.selection import Thresholds, reasons

#: Limit on what a network scores -> (field of Scores, its name for people).
SCORED = {"clip_min": ("clip", "CLIP score"), "aesthetics_min": ("aesthetics", "aesthetics")}


def not_applied(made: Manifest, at: Thresholds | None = None) -> list[str]:
    """Which limits kept shots pass because they have no such score, a sentence each. at: in place of the manifest's"""
    limits = at or made.thresholds
    found = []
    for name, (score, title) in SCORED.items():
        if getattr(limits, name) is None:
            continue
        if count := sum(getattr(s.scores, score) is None and not reasons(s, limits) for _, s in made.shots()):
            shots = "1 shot, which has none" if count == 1 else f"{count} shots, which have none"
            needed = "their captions" if score == "clip" else "them"
            found.append(
                f"The limit on {title} is not applied to {shots}: Prepare reads {needed} where the model is installed."
            )
    return found
