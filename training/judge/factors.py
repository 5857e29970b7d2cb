"""What the judge reads from a clip, and the truth it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.scenes.world import ACTION_WORDS, CAMERAS, LIGHTS, NUMBERS, PLACES, PROPS, SUBJECTS, USUAL_COLOUR

#: factor -> its classes. "none" and "usual" are classes too: the judge must also see that nobody holds an umbrella.
FACTORS: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "second": ("none", *(s.name for s in SUBJECTS.values() if s.kind in ("animal", "person"))),
    "place": tuple(PLACES),
    "action": tuple(ACTION_WORDS),
    "direction": ("left", "none", "right"),
    "camera": tuple(CAMERAS),
    "light": tuple(LIGHTS),
    "colour": ("usual", "red", "blue", "green", "yellow", "white", "black"),
    "count": tuple(str(n) for n in NUMBERS),
    "prop": ("none", *PROPS),
}


def truth_of(record: Mapping[str, Any]) -> dict[str, int]:
    """Class indices of a scene's record, the fields of a SceneSpec, in the order of FACTORS."""
    colour = record["colour"] or "usual"
    if colour == USUAL_COLOUR.get(record["subject"]):
        colour = "usual"  # a red car looks the same whether its colour was named or not
    names = {
        **{name: str(record[name]) for name in ("subject", "second", "place", "action", "camera", "light", "prop")},
        "direction": ("left", "none", "right")[int(record["direction"]) + 1],
        "colour": colour,
        "count": str(record["count"]),
    }
    return {factor: classes.index(names[factor]) for factor, classes in FACTORS.items()}


def applies(factor: str, record: Mapping[str, Any], caption: str) -> bool:
    """Whether a scene's caption asks for this factor, so that a clip can be right or wrong about it."""
    match factor:
        case "colour":
            return bool(record["colour"])
        case "second":
            return record["second"] != "none"
        case "prop":
            return record["prop"] != "none"
        case "direction":
            side = {-1: "left", 0: "", 1: "right"}[record["direction"]]
            said = caption.split(", ")[0]  # what follows the comma is the camera's direction
            return bool(side) and side in said.lower().replace(".", " ").split()
    return True
