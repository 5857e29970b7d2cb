"""The Text to video tab: its controls and its wiring."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.models.traits import Traits
from diffscaler.requests import Text2VideoRequest
from diffscaler.sampling_choices import takes
from diffscaler.studio import Studio
from ui import looks, pieces
from ui.cast import Cast, check_consent
from ui.controls import control, filled, more
from ui.estimate import interpolators, outlook, upscalers
from ui.leads import Leads
from ui.models_shelf import ModelsShelf, choices
from ui.pane import QUIET, pane
from ui.watch import Updates, Watch, remembered
from ui.words import words_line

KIND = "text2video"
TAKES = 12
MOST_TAKES = 8


class Text2VideoTab:
    """Words to a clip, with a face and larger if asked."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.draft = remembered(f"{KIND}.draft", {})
        self.watch = Watch(studio, KIND, "Generate", "Describe a shot. For example: a cat sleeping on a road.")
        self.cast = Cast(studio, KIND)
        self.shelf = ModelsShelf(studio)
        self.leads = Leads(studio, KIND)

    def place(self) -> None:
        """Place the tab here."""
        studio = self.studio
        with gr.Tab("Text to video", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                prompt = control(
                    Text2VideoRequest, "prompt", lines=3, autofocus=True, info=None, elem_id="prompt",
                    placeholder="EXT. BEACH - SUNSET. A dog runs along the water.",
                )  # fmt: skip
                self.words = pane(words_line(studio, "mini", ""), elem_id="words")
                self.chips = pane(looks.chips(studio, KIND), elem_id="looks")
                with gr.Row(elem_classes=["fields"]):
                    model = control(Text2VideoRequest, "model", choices=self.models(), info=None)
                    scale = control(Text2VideoRequest, "scale", info=None)
                    self.count = gr.Slider(
                        1, MOST_TAKES, 1, step=1, label="Takes", info="The same shot with other seeds.", elem_id="count"
                    )
                with gr.Accordion("Models", open=False, elem_id="t2v-models"):
                    self.shelf.place()
                with gr.Accordion("A performer's face in it", open=False, elem_id="t2v-face"):
                    self.cast.place()
                beside = self.leads.place()
                rest = more(
                    Text2VideoRequest,
                    upscaler={"choices": upscalers(studio)},
                    interpolator={"choices": interpolators(studio)},
                )
                self.watch.button()
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
                self.takes = pane(elem_id="takes", elem_classes=["shelf"])
        self.fields = {"prompt": prompt, "model": model, "scale": scale, **beside, **rest}
        self.inputs = {**self.fields, **self.cast.inputs, **self.leads.inputs, "count": self.count}

    def wire(self, page: gr.Blocks) -> None:
        watch = self.watch
        watch.wire()
        self.cast.wire()
        self.leads.wire()
        self.shelf.wire(self.fields["model"])
        watch.go.click(self.on_generate, inputs_kwargs=self.inputs, outputs=watch.outputs, **QUIET)
        gr.on(
            [
                at.change
                for at in (
                    *self.fields.values(),
                    self.cast.shelf.picked,
                    *self.leads.inputs.values(),
                    self.count,
                )
            ],
            self.on_change,
            inputs_kwargs={
                **self.fields,
                "faces": self.cast.shelf.picked,
                **self.leads.inputs,
                "count": self.count,
            },
            outputs=[watch.go, watch.needs, self.words, self.draft, *self.leads.places.values()],
            trigger_mode="always_last",
            **QUIET,
        )
        self.words.click(self.on_example, outputs=self.fields["prompt"], **QUIET)
        self.chips.click(self.on_preset, outputs=[*self.fields.values(), self.chips], **QUIET)
        self.takes.click(self.on_take, outputs=watch.outputs, **QUIET)
        watch.state.change(self.render_takes, watch.state, self.takes, **QUIET)
        page.load(
            self.restore,
            [watch.state, self.draft, self.cast.shelf.picked, *self.leads.inputs.values()],
            [
                *watch.outputs,
                self.takes,
                self.cast.shelf.pane,
                *(shelf.pane for shelf in self.leads.shelves.values()),
                self.shelf.pane,
                *self.fields.values(),
            ],
            **QUIET,
        )

    def keep_models(self, models: gr.State) -> None:
        """Look for models again when the tab is opened, and when `models` changes."""
        outputs = [
            *(self.fields[name] for name in ("model", "upscaler", "interpolator", "ip_adapter")),
            self.shelf.pane,
        ]
        gr.on([self.tab.select, models.change], self.refresh, self.fields["model"], outputs, **QUIET)

    def on_generate(self, faces: list[str], agreed: bool, consent: str | None, count: int, **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            check_consent(faces, agreed, consent or "")
            request = self.request(values, faces, consent or "")
            first, *others = takes(request, int(count or 1))
            updates |= self.watch.submit(first)
            for other in others:
                self.studio.submit(other)
        return updates

    def request(self, values: dict[str, Any], faces: list[str], consent: str) -> Text2VideoRequest:
        """The checked request of the controls. Raises ValidationError."""
        leads = self.leads.given(values, self.traits_of(values.get("model")))
        fields = filled({name: values[name] for name in self.fields})
        return Text2VideoRequest(**fields, **leads, faces=tuple(faces), consent=consent)

    def on_change(self, faces: list[str], count: int, **values: Any) -> Updates:
        """What the button will cost, what the model knows of the prompt, and a draft for the next visit."""
        label, needs = "Generate", ""
        # What is wrong is said when the button is pressed, not while the person is typing.
        with suppress(DiffScalerError, ValidationError):
            verb = f"Generate {count} takes" if (count := int(count or 1)) > 1 else "Generate"
            label, needs = outlook(self.studio, verb, self.request(values, faces, ""), count)
        return {
            **self.leads.shown(self.traits_of(values.get("model"))),
            self.watch.go: gr.Button(label),
            self.watch.needs: needs,
            self.words: words_line(self.studio, str(values["model"]), str(values["prompt"] or "")),
            self.draft: {name: values[name] for name in self.fields},
        }

    def on_example(self, event: gr.EventData) -> str:
        return str(event.prompt)

    def on_preset(self, event: gr.EventData) -> Updates:
        names = [name for name in self.fields if name != "prompt"]
        values = looks.values_of(self.studio, KIND, str(event.name), Text2VideoRequest, names)
        filling: Updates = {self.fields[name]: value for name, value in values.items()}
        return filling | {self.chips: looks.chips(self.studio, KIND, str(event.name))}

    def on_take(self, event: gr.EventData) -> Updates:
        return self.watch.showing(str(event.key))

    def fill(self, request: Text2VideoRequest) -> Updates:
        """Put an earlier request's values into the controls."""
        values: Updates = {at: getattr(request, name) for name, at in self.fields.items()}
        return values | self.leads.filled(request)

    def traits_of(self, model: object) -> Traits:
        """What a model can do; nothing special for one that is not installed."""
        specs = {spec.name: spec for spec in self.studio.catalogue.specs("text2video")}
        return specs[str(model)].traits if str(model) in specs else Traits()

    def restore(self, state: dict[str, Any], draft: dict[str, Any], picked: list[str], *leads: list[str]) -> Updates:
        updates = self.watch.restore(state) | self.refresh((draft or {}).get("model"))
        updates |= {self.takes: self.render_takes(state), self.cast.shelf.pane: self.cast.shelf.render(picked)}
        updates |= self.leads.render(list(leads))
        # What was removed since is not chosen again.
        offered = {
            "model": self.models(), "upscaler": upscalers(self.studio), "interpolator": interpolators(self.studio)
        }  # fmt: skip
        for name, value in (draft or {}).items():
            if name in self.fields and name not in offered:
                updates[self.fields[name]] = value
            elif value in {choice[1] for choice in offered.get(name, [])}:
                updates[self.fields[name]] = gr.Dropdown(choices=offered[name], value=value)
        return updates

    def refresh(self, chosen: str | None = None) -> Updates:
        """Model lists as they are now: training or a download may have added one."""
        return {
            self.fields["model"]: gr.Dropdown(choices=self.models()),
            self.shelf.pane: self.shelf.render(chosen or "mini"),
            self.fields["upscaler"]: gr.Dropdown(choices=upscalers(self.studio)),
            self.fields["interpolator"]: gr.Dropdown(choices=interpolators(self.studio)),
            self.fields["ip_adapter"]: gr.Dropdown(choices=self.leads.adapters()),
        }

    def render_takes(self, state: dict[str, Any] | None) -> str:
        """The latest clips from words, as a strip to choose from."""
        made = [clip for clip in self.studio.library.list(kept_only=True, stages=("encode",), limit=100)
                if (clip.request or {}).get("type") == Text2VideoRequest.__name__]  # fmt: skip
        shown = (state or {}).get("clip")
        cards = [pieces.card(self.studio, clip, picked=clip.key == shown) for clip in made[:TAKES]]
        return f'<h3 class="group">Takes</h3><div class="cards">{"".join(cards)}</div>' if cards else ""

    def models(self) -> list[tuple[str, str]]:
        return choices(self.studio)
