"""The Upscale tab: its controls and its wiring."""

from __future__ import annotations

from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.library.clips import Clip
from diffscaler.requests import Region, UpscaleRequest, region_from
from diffscaler.studio import Studio
from diffscaler.upscale.siblings import weak_sibling
from ui import looks, monitor, pieces
from ui.controls import control, filled, more
from ui.estimate import costing, interpolators, upscalers
from ui.pane import QUIET, pane
from ui.shelf import Shelf
from ui.source import source_of
from ui.watch import Updates, Watch

KIND = "upscale"
TRY = "Try on one second from here"
MARK, ALL = "mark a part of the picture", "all of it again"


def trial() -> str:
    """The links that try the settings out."""
    links = [("try-here", TRY), ("mark", MARK), ("unmark", ALL)]
    return " ".join(pieces.do(verb, words, cls="link", at="") for verb, words in links)


def part_of(text: str) -> Region | None:
    """The part of the picture that was typed or dragged; None for all of it. Raises InvalidRequest."""
    if not text.strip():
        return None
    try:
        return region_from(text)
    except ValueError as error:  # pydantic's is one
        raise InvalidRequest(
            f"{text.strip()[:40]!r} is no part of a picture.",
            "Give left, top, width and height in pixels, as 300, 100, 320, 180; 16 a side is the least.",
        ) from error


class UpscaleTab:
    """A clip or a picture, larger, with its own sound."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.watch = Watch(studio, KIND, "Upscale", "Pick a clip or a picture.", self.show)
        self.clips = Shelf(studio, f"{KIND}-clip", "The clip or picture")

    def place(self) -> None:
        """Place the tab here."""
        studio = self.studio
        with gr.Tab("Upscale", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                self.clips.place()
                self.chips = pane(looks.chips(studio, KIND), elem_id="upscale-looks")
                with gr.Row(elem_classes=["fields"]):
                    scale = control(UpscaleRequest, "scale", info=None)
                    model = control(UpscaleRequest, "upscaler", choices=upscalers(studio), info=None)
                    rate = control(UpscaleRequest, "fps_times", info=None)
                    between = control(UpscaleRequest, "interpolator", choices=interpolators(studio), info=None)
                denoise = control(UpscaleRequest, "denoise_strength", visible=False)
                rest = more(UpscaleRequest)
                self.watch.button()
                self.trial = pane(trial(), elem_id="upscale-trial")
                self.region = gr.Textbox(
                    label="Part to try it on", placeholder="all of the picture", max_lines=1, elem_id="upscale-region",
                    info="Drag over the picture, or type left, top, width, height in pixels.",
                )  # fmt: skip
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
        self.fields = {"scale": scale, "upscaler": model, "fps_times": rate, "interpolator": between}
        self.fields |= {"denoise_strength": denoise, **rest}

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        self.clips.wire()
        inputs: dict[str, Any] = {"clip": self.clips.picked, **self.fields}
        self.clips.picked.change(
            self.watch.source,
            [self.watch.state, self.clips.picked],
            self.watch.outputs,
            trigger_mode="always_last",
            **QUIET,
        )
        self.watch.go.click(self.on_upscale, inputs_kwargs=inputs, outputs=self.watch.outputs, **QUIET)
        self.trial.click(
            self.on_trial,
            [self.watch.state, self.region, *inputs.values()],
            [*self.watch.outputs, self.region],
            **QUIET,
        )
        gr.on([at.change for at in inputs.values()], self.on_change, inputs_kwargs=inputs, outputs=self.watch.go,
              trigger_mode="always_last", **QUIET)  # fmt: skip
        self.chips.click(self.on_preset, outputs=[*self.fields.values(), self.chips], **QUIET)
        page.load(self.restore, [self.watch.state, self.clips.picked], [*self.watch.outputs, self.clips.pane], **QUIET)

    def keep_models(self, models: gr.State) -> None:
        """Look for models again when the tab is opened, and when `models` changes."""
        model = self.fields["upscaler"]
        outputs = [model, self.fields["denoise_strength"], self.fields["interpolator"]]
        gr.on([self.tab.select, models.change], self.refresh, model, outputs, **QUIET)
        model.change(self.denoising, [model, outputs[1]], outputs[1], **QUIET)

    def on_upscale(self, clip: list[str], **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            updates |= self.watch.submit(UpscaleRequest(clip="".join(clip[:1]), **filled(values)))
        return updates

    def on_trial(
        self, event: gr.EventData, state: dict[str, Any], region: str, clip: list[str], *given: Any
    ) -> Updates:
        """The same on one second of the clip, from where the monitor stands; or the part to try it on, chosen anew."""
        if str(event.do) == "unmark":
            return {self.region: ""}
        if str(event.do) == "mark":  # the picture is marked on the clip itself, not on what was made from it
            return self.watch.view({"job": None, "clip": None, "source": "".join(clip[:1]) or None})
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            values = filled(dict(zip(self.fields, given, strict=True)))
            start_s = self.moment(state, str(event.at))
            part = part_of(region)
            updates |= self.watch.submit(UpscaleRequest(clip="".join(clip[:1]), start_s=start_s, region=part, **values))
        return updates

    def moment(self, state: dict[str, Any], at: str) -> float:
        """Seconds into the clip picked, for `at`, where the monitor stands: on a trial it counts from its start."""
        shown = self.studio.library.clip(str(state["clip"])) if state.get("clip") else None
        began = (shown.request or {}).get("start_s") if shown else None
        return float(at or 0) + (began or 0.0)

    def on_change(self, clip: list[str], **values: Any) -> Any:
        try:
            return gr.Button(costing(self.studio, "Upscale", UpscaleRequest(clip="".join(clip[:1]), **filled(values))))
        except (DiffScalerError, ValidationError):
            return gr.Button("Upscale")  # what is wrong is said when the button is pressed

    def on_preset(self, event: gr.EventData) -> Updates:
        values = looks.values_of(self.studio, KIND, str(event.name), UpscaleRequest, list(self.fields))
        filling: Updates = {self.fields[name]: value for name, value in values.items()}
        return filling | {self.chips: looks.chips(self.studio, KIND, str(event.name))}

    def fill(self, request: UpscaleRequest) -> Updates:
        return {self.clips.picked: [request.clip]} | {at: getattr(request, name) for name, at in self.fields.items()}

    def refresh(self, upscaler: str) -> Any:
        there = weak_sibling(self.studio.catalogue, upscaler) is not None
        between = gr.Dropdown(choices=interpolators(self.studio))
        return gr.Dropdown(choices=upscalers(self.studio)), gr.Slider(visible=there), between

    def denoising(self, upscaler: str, strength: float) -> Any:
        """The slider where the upscaler has a sibling to go towards; else it is away, and asks for nothing."""
        there = weak_sibling(self.studio.catalogue, upscaler) is not None
        return gr.Slider(visible=there, value=strength if there else 1.0)

    def restore(self, state: dict[str, Any], clip: list[str]) -> Updates:
        return self.watch.restore(state) | {self.clips.pane: self.clips.render(clip)}

    def show(self, clip: Clip) -> str:
        """The larger clip with the smaller one under a wipe."""
        source, asked = source_of(self.studio, clip), clip.request or {}
        if source is None or asked.get("region"):  # a part of the picture does not lie over the whole of it
            return monitor.of_clip(self.studio, clip)
        return monitor.of_pair(self.studio, source, clip, wipe=True, start_s=asked.get("start_s"))
