"""Where a worker's stages borrow models: the catalogue knows them, residency keeps them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from diffscaler.models.annotators import DOES
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
        """What page and file must tell of a model: which one, where it ran, and a licence that limits its use.

        Of an annotator the licence is always told: nobody asked for it by name.
        """
        spec = self.catalogue.spec_of(ref)
        device = self.residency.device
        # Text to video computes in the device's own number format; upscalers, where they do, say so themselves.
        where = f"{device.name}, {device.dtype}" if spec.kind == "text2video" else device.name
        told = not spec.commercial or spec.kind in DOES
        limits = [f"{spec.title}: licence {spec.licence}"] if told else []
        return (f"{spec.title}{RAN_ON}{where}", *limits)


RAN_ON = ", on "


def place_in(notes: tuple[str, ...], title: str) -> str:
    """Where the model of that title ran, as `CatalogueLender.notes` told it: "CPU, 2 cores, float32"; "" if nowhere."""
    told = (note.removeprefix(title + RAN_ON) for note in notes if note.startswith(title + RAN_ON))
    return next(told, "")
