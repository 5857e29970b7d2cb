"""Where a worker's stages borrow models: the catalogue knows them, residency keeps them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from diffscaler.models.catalogue import Catalogue
from diffscaler.models.residency import Residency
from diffscaler.stage import ModelRef


class CatalogueLender:
    """engine.Lender over a catalogue and a residency."""

    def __init__(self, catalogue: Catalogue, residency: Residency) -> None:
        self.catalogue = catalogue
        self.residency = residency

    @property
    def budget_bytes(self) -> int:
        return self.residency.budget_bytes

    def size_bytes(self, ref: ModelRef) -> int:
        return self.residency.fit(self.catalogue.spec_of(ref), self.residency.budget_bytes).needed_bytes

    def acquire(self, ref: ModelRef) -> AbstractContextManager[Any]:
        return self.residency.acquire(self.catalogue.spec_of(ref), ref.revision)

    def notes(self, ref: ModelRef) -> tuple[str, ...]:
        """What page and file must tell of a model: which one, where it ran, and a licence that limits its use."""
        spec = self.catalogue.spec_of(ref)
        where = f"{spec.title}, on {self.residency.device.name}"
        limits = [] if spec.commercial else [f"{spec.title}: licence {spec.licence}"]
        return (where, *limits)
