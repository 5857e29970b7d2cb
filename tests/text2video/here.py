"""A request carried out in the test's own process: a worker's start would take longer than a tiny model's work."""

from __future__ import annotations

from diffscaler.engine import Engine
from diffscaler.jobs.lender import CatalogueLender
from diffscaler.library.clips import Clip
from diffscaler.models.device import pick_device
from diffscaler.models.residency import Residency
from diffscaler.requests import Request
from diffscaler.studio import Studio
from tests.fakes import FakeWatcher


def made_here(studio: Studio, request: Request) -> Clip:
    """The delivered clip of a request."""
    lender = CatalogueLender(studio.catalogue, Residency(pick_device("cpu"), 8 * 2**30))
    recipe = studio.recipe(request)
    Engine(studio.library, lender).run(recipe.root, FakeWatcher())
    return studio.library.clip(recipe.root.key)
