"""Upscalers that come in pairs: one that takes noise away and, named -wdn, one that leaves it ("weak denoise")."""

from __future__ import annotations

from diffscaler.errors import InvalidRequest
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.spec import ModelSpec

# realesr-general-x4v3.pth and realesr-general-wdn-x4v3.pth
WEAK = "-wdn"


def weak_sibling(catalogue: Catalogue, name: str) -> ModelSpec | None:
    """The installed model that is called as `name` is but for -wdn in it; None when there is none."""
    found = [spec for spec in catalogue.specs("upscaler") if WEAK in spec.name]
    return next((spec for spec in found if spec.name.replace(WEAK, "", 1) == name), None)


def needed_sibling(catalogue: Catalogue, name: str) -> ModelSpec:
    """The same; raises InvalidRequest when there is none."""
    sibling = weak_sibling(catalogue, name)
    if sibling is None:
        raise InvalidRequest(
            f"The upscaler {name[:60]!r} has no denoise strength: it is set between a model and its {WEAK} sibling.",
            "Put both into the models folder (realesr-general-x4v3.pth and realesr-general-wdn-x4v3.pth), or leave 1.",
        )
    return sibling
