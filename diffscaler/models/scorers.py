"""Which of the installed models score the shots of a data set, without loading them."""

from __future__ import annotations

from typing import NamedTuple

from diffscaler.errors import ModelNotFound
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelKind, ModelSpec

#: Says that a score is not wanted though its model is there.
NONE = "none"

#: The CLIP model the studio describes, which LAION's predictors were made for.
CLIP = "clip-vit-large-patch14"


class Scorers(NamedTuple):
    """clip: compares pictures with words; head: rates what clip saw, None for no rating"""

    clip: ModelSpec
    head: ModelSpec | None


def pick_scorers(catalogue: Catalogue, clip: str = "", head: str = "") -> Scorers | None:
    """The installed models of those names, the first ones for ""; None where none is there, or NONE is asked for.

    Raises ModelNotFound for a name that is not installed, and for a head without a CLIP model.
    """
    seeing = _pick(catalogue, "caption_scorer", clip)
    rating = _pick(catalogue, "aesthetic_head", head)
    if seeing is None and rating is not None and head:
        raise ModelNotFound(f"{rating.title} rates what a CLIP model sees, and none is used.", how_to_get())
    return Scorers(seeing, rating) if seeing else None


def _pick(catalogue: Catalogue, kind: ModelKind, name: str) -> ModelSpec | None:
    if name == NONE:
        return None
    if name:
        return catalogue.spec(name, kind)
    return next(iter(catalogue.specs(kind)), None)


def how_to_get() -> str:
    """What to do about a missing CLIP model, in a sentence."""
    return f"`python app.py models get {CLIP}` brings it."


def lacking(catalogue: Catalogue, measured: dict[str, str]) -> str:
    """Which scores a data set has not and what would bring them, in one line; "" when it has both.

    measured: Manifest.scorers
    """
    if "clip" in measured and "aesthetics" in measured:
        return ""
    found = pick_scorers(catalogue)
    if found is None:
        missing = "no aesthetics" if "clip" in measured else "no CLIP score, no aesthetics"
        return f"{missing}: `models get {CLIP}` brings the model"
    if "clip" not in measured:
        return f"no CLIP score yet: Prepare again, {found.clip.title} is installed"
    if found.head is None:
        return "no aesthetics: LAION's predictor, put into models/aesthetics, brings them"
    return f"no aesthetics yet: Prepare again, {found.head.title} is installed"
