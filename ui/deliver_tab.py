"""The Deliver tab: a clip as a file for its destination, and the card of what came out."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.requests import DeliverRequest, MeasureRequest
from diffscaler.studio import Studio
from ui import looks, monitor, pieces
from ui.controls import control, filled, more
from ui.estimate import costing
from ui.pane import QUIET, pane
from ui.shelf import Shelf
from ui.watch import LOOK_S, Updates, Watch

if TYPE_CHECKING:
    from diffscaler.video.measure import Figures

KIND = "deliver"
PLAIN = ("encoding", "quality", "bitrate_mbps")


class DeliverTab:
    """A clip of the library, written again: nothing of it is drawn anew."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.watch = Watch(studio, KIND, "Deliver", "Pick a clip to hand over.", self.show)
        self.clips = Shelf(studio, f"{KIND}-clip", "The clip")
        self.timer = gr.Timer(LOOK_S, active=False)

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Deliver", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                self.clips.place()
                self.chips = pane(looks.chips(self.studio, KIND), elem_id="deliver-looks")
                form = control(DeliverRequest, "encoding")
                with gr.Row(elem_classes=["fields"]):
                    quality = control(DeliverRequest, "quality", info=None)
                    bitrate = control(DeliverRequest, "bitrate_mbps", label="Mbit/s", info=None)
                rest = more(DeliverRequest, [name for name in DeliverRequest.model_fields if name not in PLAIN])
                self.watch.button()
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
                self.card = pane(elem_id="deliver-card", elem_classes=["review"])
        self.fields = {"encoding": form, "quality": quality, "bitrate_mbps": bitrate, **rest}

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        self.clips.wire()
        inputs: dict[str, Any] = {"clip": self.clips.picked, **self.fields}
        shown = [self.watch.state, self.clips.picked]
        self.clips.picked.change(
            self.watch.source, shown, self.watch.outputs, trigger_mode="always_last", **QUIET
        )  # fmt: skip
        self.watch.go.click(self.on_deliver, inputs_kwargs=inputs, outputs=self.watch.outputs, **QUIET)
        gr.on([at.change for at in inputs.values()], self.on_change, inputs_kwargs=inputs, outputs=self.watch.go,
              trigger_mode="always_last", **QUIET)  # fmt: skip
        self.chips.click(self.on_preset, outputs=[*self.fields.values(), self.chips], **QUIET)
        outputs = [self.card, self.timer]
        self.watch.state.change(self.on_state, self.watch.state, outputs, trigger_mode="always_last", **QUIET)
        self.timer.tick(self.look, self.watch.state, outputs, trigger_mode="once", **QUIET)
        page.load(self.restore, shown, [*self.watch.outputs, self.clips.pane, *outputs], **QUIET)

    def on_deliver(self, clip: list[str], **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            updates |= self.watch.submit(DeliverRequest(clip="".join(clip[:1]), **filled(values)))
        return updates

    def on_change(self, clip: list[str], **values: Any) -> Any:
        try:
            request = DeliverRequest(clip="".join(clip[:1]), **filled(values))
            return gr.Button(costing(self.studio, "Deliver", request))
        except (DiffScalerError, ValidationError):
            return gr.Button("Deliver")  # what is wrong is said when the button is pressed

    def on_preset(self, event: gr.EventData) -> Updates:
        values = looks.values_of(self.studio, KIND, str(event.name), DeliverRequest, list(self.fields))
        filling: Updates = {self.fields[name]: value for name, value in values.items()}
        return filling | {self.chips: looks.chips(self.studio, KIND, str(event.name))}

    def fill(self, request: DeliverRequest) -> Updates:
        return {self.clips.picked: [request.clip]} | {at: getattr(request, name) for name, at in self.fields.items()}

    def restore(self, state: dict[str, Any], clip: list[str]) -> Updates:
        return self.watch.restore(state) | {self.clips.pane: self.clips.render(clip)} | self.look(state)

    def show(self, clip: Clip) -> str:
        """The delivered file, with its download first."""
        return monitor.of_clip(self.studio, clip)

    def on_state(self, state: dict[str, Any] | None) -> Updates:
        """What was just delivered, or is shown again, is measured without being asked."""
        clip = self._delivered((state or {}).get("clip"))
        with suppress(DiffScalerError, ValidationError):
            if clip is not None and self._figures(clip) is None and self._job(clip) is None:
                self.studio.submit(MeasureRequest(clip=clip.key))
        return self.look(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        """The card of the clip shown: what its file says at once, its picture's figures once they are measured."""
        clip = self._delivered((state or {}).get("clip"))
        figures = self._figures(clip) if clip is not None else None
        job = self._job(clip) if clip is not None and figures is None else None
        html = card_of(self.studio, clip, figures, job) if clip is not None else ""
        return {self.card: html, self.timer: gr.Timer(active=job is not None and not job.ended)}

    def _delivered(self, key: str | None) -> Clip | None:
        with suppress(DiffScalerError):
            clip = self.studio.library.clip(key) if key else None
            return clip if clip is not None and clip.stage == "encode" else None
        return None

    def _figures(self, clip: Clip) -> Figures | None:
        """What was measured, None before that and for what is not measured."""
        from diffscaler.video.measure import Figures

        with suppress(DiffScalerError, ValidationError, StopIteration):
            key = self.studio.recipes.measure(MeasureRequest(clip=clip.key)).root.key
            if self.studio.library.complete(key):
                chunk: Any = next(iter(self.studio.library.read(key)))
                return Figures.read(chunk.tensors)
        return None

    def _job(self, clip: Clip) -> Job | None:
        """The job that measures a clip, or the last one that did."""
        mine = {"type": MeasureRequest.__name__, "clip": clip.key}
        return next((job for job in self.studio.queue.list(limit=50) if job.request == mine), None)


def card_of(studio: Studio, clip: Clip, figures: Figures | None, job: Job | None) -> str:
    """The quality card as HTML. job: what measures them"""
    from diffscaler.video.measure import card, file_facts

    path = studio.file_of(clip)
    rows: dict[str, str] = {}
    if path is not None and path.suffix != ".zip":
        rows = card(file_facts(path), figures)
    elif path is not None:
        rows = {"size": f"{clip.meta.width} x {clip.meta.height}", "frames": str(clip.meta.num_frames)}
    if job is not None:
        waiting = "not measured" if job.ended else "being measured"
        rows |= {"flicker": waiting, "sharpness": waiting}
    said = "".join(f"<p>{escape(note)}</p>" for note in pieces.notes_of(studio, clip))
    entries = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in rows.items())
    return f'<h3>What came out</h3><dl class="quality">{entries}</dl>{said}'
