"""The Face swap tab: its controls and its wiring."""

from __future__ import annotations

from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.requests import FaceSwapRequest
from diffscaler.studio import Studio
from ui import monitor
from ui.cast import Cast, check_consent
from ui.controls import control, filled, more
from ui.estimate import costing
from ui.pane import QUIET
from ui.people import people_strip
from ui.shelf import Shelf
from ui.source import source_of
from ui.watch import Updates, Watch

KIND = "faceswap"


class FaceSwapTab:
    """A performer's face onto the people in a clip."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.watch = Watch(studio, KIND, "Swap", "Pick a clip and a photo of the performer.", self.show)
        self.cast = Cast(studio, KIND)
        self.clips = Shelf(studio, f"{KIND}-clip", "The clip to change")

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Face swap", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                self.clips.place()
                self.cast.place()
                engine = control(FaceSwapRequest, "engine", info=self.engine_line())
                people = control(FaceSwapRequest, "people", info=None)
                rest = more(FaceSwapRequest)
                self.watch.button()
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
        self.fields = {"engine": engine, "people": people, **rest}
        self.inputs: dict[str, Any] = {"clip": self.clips.picked, **self.fields, **self.cast.inputs}

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        self.cast.wire()
        self.clips.wire()
        self.clips.picked.change(
            self.watch.source,
            [self.watch.state, self.clips.picked],
            self.watch.outputs,
            trigger_mode="always_last",
            **QUIET,
        )
        self.watch.go.click(self.on_swap, inputs_kwargs=self.inputs, outputs=self.watch.outputs, **QUIET)
        costs: dict[str, Any] = {"clip": self.clips.picked, "faces": self.cast.shelf.picked, **self.fields}
        gr.on([at.change for at in costs.values()], self.on_change, inputs_kwargs=costs, outputs=self.watch.go,
              trigger_mode="always_last", **QUIET)  # fmt: skip
        page.load(
            self.restore,
            [self.watch.state, self.clips.picked, self.cast.shelf.picked],
            [*self.watch.outputs, self.clips.pane, self.cast.shelf.pane],
            **QUIET,
        )

    def on_swap(self, clip: list[str], faces: list[str], agreed: bool, consent: str | None, **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            request = FaceSwapRequest(
                clip="".join(clip[:1]), faces=tuple(faces), consent=consent or "", **filled(values)
            )
            check_consent(faces, agreed, consent or "")
            updates |= self.watch.submit(request)
        return updates

    def on_change(self, clip: list[str], faces: list[str], **values: Any) -> Updates:
        label = "Swap"
        try:
            request = FaceSwapRequest(clip="".join(clip[:1]), faces=tuple(faces), **filled(values))
            label = costing(self.studio, "Swap", request)
        except (DiffScalerError, ValidationError):
            pass  # said when the button is pressed
        return {self.watch.go: gr.Button(label)}

    def fill(self, request: FaceSwapRequest) -> Updates:
        picked = {self.clips.picked: [request.clip], self.cast.shelf.picked: list(request.faces)}
        return picked | {at: getattr(request, name) for name, at in self.fields.items()}

    def restore(self, state: dict[str, Any], clip: list[str], faces: list[str]) -> Updates:
        shelves = {self.clips.pane: self.clips.render(clip), self.cast.shelf.pane: self.cast.shelf.render(faces)}
        return self.watch.restore(state) | shelves

    def show(self, clip: Clip) -> str:
        """The swapped clip beside what it was made from, with the people who were found."""
        source = source_of(self.studio, clip)
        if source is None:
            return monitor.of_clip(self.studio, clip)
        return monitor.of_pair(self.studio, source, clip, wipe=False, extra=people_strip(self.studio, clip))

    def engine_line(self) -> str:
        names = {spec.name for spec in self.studio.catalogue.specs()}
        if {"inswapper", "arcface"} <= names:
            return "inswapper is installed: for non-commercial work only, by its licence."
        return "Built-in preview engine: quick, for planning; not a final face."
