"""What may lead a clip besides words: pictures and clips of the library, each in a place of its own."""

from __future__ import annotations

from typing import Any

import gradio as gr

from diffscaler.models.traits import Traits
from diffscaler.requests import Text2VideoRequest
from diffscaler.studio import Studio
from ui.controls import Controls, control
from ui.shelf import Shelf
from ui.watch import Updates

#: Request field -> title of its place.
TITLES = {
    "picture": "A picture to start from",
    "source_clip": "A clip to redraw",
    "reference": "A picture to look like",
    "control": "A clip to follow",
}


class Leads:
    """A shelf for each of these request fields, with what belongs to it."""

    def __init__(self, studio: Studio, name: str) -> None:
        self.studio = studio
        still = {"photos": True, "single": True}
        self.shelves = {
            "picture": Shelf(studio, f"{name}-still", "A still, for models that start from one", **still),
            "source_clip": Shelf(studio, f"{name}-source", "A clip that the prompt changes"),
            "reference": Shelf(studio, f"{name}-reference", "A picture that an IP-Adapter reads", **still),
            "control": Shelf(studio, f"{name}-control", "A clip that a ControlNet reads (see More)"),
        }
        self.places: dict[str, gr.Accordion] = {}

    def place(self) -> Controls:
        """Place them here, out of sight; returns the controls beside the shelves, by request field."""
        made: Controls = {}
        for name, shelf in self.shelves.items():
            about = {"open": False, "visible": False, "elem_id": f"t2v-{name.partition('_')[0]}"}
            with gr.Accordion(TITLES[name], **about) as self.places[name]:
                shelf.place()
                if name == "source_clip":
                    made["strength"] = control(Text2VideoRequest, "strength")
                if name == "reference":
                    # A name that is not there is refused with a sentence by the request, not by the list.
                    made["ip_adapter"] = control(
                        Text2VideoRequest, "ip_adapter", choices=self.adapters(), allow_custom_value=True
                    )
                    made["reference_scale"] = control(Text2VideoRequest, "reference_scale")
        return made

    def wire(self) -> None:
        for shelf in self.shelves.values():
            shelf.wire()

    @property
    def inputs(self) -> dict[str, Any]:
        """What is picked, by request field: a list of at most one key each."""
        return {name: shelf.picked for name, shelf in self.shelves.items()}

    def adapters(self) -> list[tuple[str, str]]:
        """IP-Adapters that are there."""
        return [("none", ""), *((spec.title, spec.name) for spec in self.studio.catalogue.specs("ip_adapter"))]

    def given(self, values: dict[str, Any], traits: Traits) -> dict[str, str]:
        """The fields of a request. What is out of sight, because the model cannot take it, is not asked for."""
        return {name: values[name][0] for name in self.shelves if values[name] and able(traits)[name]}

    def shown(self, traits: Traits) -> Updates:
        """The places a model can use in sight, the others not."""
        return {place: gr.Accordion(visible=able(traits)[name]) for name, place in self.places.items()}

    def filled(self, request: Text2VideoRequest) -> Updates:
        """What an earlier request was led by, picked again."""
        picked = {name: getattr(request, name) for name in self.shelves}
        return {self.shelves[name].picked: [key] if key else [] for name, key in picked.items()}

    def render(self, picked: list[list[str]]) -> Updates:
        """The shelves with what is picked on each, in their order."""
        return {shelf.pane: shelf.render(keys) for shelf, keys in zip(self.shelves.values(), picked, strict=True)}


def able(traits: Traits) -> dict[str, bool]:
    """Which fields a model can be led by."""
    return {
        "picture": traits.image != "none",
        "source_clip": traits.redraws,
        "reference": traits.references,
        "control": traits.control,
    }
