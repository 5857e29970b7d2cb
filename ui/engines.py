"""The choice of a face swap engine: a card of what it needs and its licences, and what diffusion is asked."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.face_redraw import able
from diffscaler.faceswap_engines import EngineCard, engine_card
from diffscaler.requests import FaceSwapRequest
from diffscaler.studio import Studio
from ui.controls import WORDS, Controls, control
from ui.pane import QUIET, pane
from ui.watch import Updates

#: Fields of the request that only the diffusion engine reads, in the order they are shown.
OF_DIFFUSION = (
    "redraw_model", "ip_adapter", "redraw_strength", "reference_scale", "num_inference_steps", "face_prompt", "seed",
)  # fmt: skip


class EnginePane:
    """The engine's control with its card, and the controls of diffusion while it is the one."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def place(self) -> Controls:
        """Place them here; returns the controls by request field."""
        self.engine = control(FaceSwapRequest, "engine", choices=self.choices(), info=None)
        self.card = pane(card_html(self.card_of("auto")), elem_id="faceswap-engine")
        about = {"open": True, "visible": False, "elem_id": "faceswap-diffusion"}
        self.place_of_diffusion = gr.Accordion("How faces are redrawn", **about)
        with self.place_of_diffusion, gr.Column(elem_classes=["fields"]):
            lists = {"redraw_model": self.models(), "ip_adapter": self.adapters()}
            given: dict[str, dict[str, Any]] = {
                # A name that is not there is refused with a sentence by the request, not by the list.
                name: {"choices": found, "allow_custom_value": True}
                for name, found in lists.items()
            }
            given["face_prompt"] = {"lines": 2}
            self.own = {name: control(FaceSwapRequest, name, **given.get(name, {})) for name in OF_DIFFUSION}
        return {"engine": self.engine, **self.own}

    def wire(self, page: gr.Blocks, commercial_only: Any) -> None:
        asked = [self.engine, self.own["redraw_model"], self.own["ip_adapter"], commercial_only]
        shown = [self.card, self.place_of_diffusion]
        gr.on([at.change for at in asked], self.shown, asked, shown, trigger_mode="always_last", **QUIET)
        page.load(self.shown, asked, shown, **QUIET)

    def keep_models(self, tab: gr.Tab, models: gr.State, commercial_only: Any) -> None:
        """Look for models again when the tab is opened, and when `models` changes."""
        asked = [self.engine, self.own["redraw_model"], self.own["ip_adapter"], commercial_only]
        outputs = [*asked[:3], self.card, self.place_of_diffusion]
        gr.on([tab.select, models.change], self.refresh, asked, outputs, **QUIET)

    def shown(self, engine: str, model: str | None, adapter: str | None, commercial_only: bool) -> Updates:
        card = self.card_of(engine, model or "", adapter or "", commercial_only)
        return {self.card: card_html(card), self.place_of_diffusion: gr.Accordion(visible=engine == "diffusion")}

    def refresh(self, engine: str, model: str | None, adapter: str | None, commercial_only: bool) -> Updates:
        """Lists as they are now: a download may have added a model."""
        lists = {self.engine: self.choices(), self.own["redraw_model"]: self.models()}
        lists[self.own["ip_adapter"]] = self.adapters()
        updates: Updates = {at: gr.Dropdown(choices=found) for at, found in lists.items()}
        return updates | self.shown(engine, model, adapter, commercial_only)

    def card_of(self, engine: str, model: str = "", adapter: str = "", commercial_only: bool = False) -> EngineCard:
        """The card of what is chosen; of "auto", that of the engine it stands for."""
        meant = self.studio.recipes.engine(engine, commercial_only)
        return engine_card(self.studio.catalogue, meant, model, adapter, commercial_only)

    def choices(self) -> list[tuple[str, str]]:
        """Every engine; those that cannot be used say so."""
        found = [(WORDS["engine"]["auto"], "auto")]
        for name in ("builtin", "inswapper", "ghost", "diffusion"):
            missing = "" if engine_card(self.studio.catalogue, name).ready else " (not installed)"
            found.append((WORDS["engine"][name] + missing, name))
        return found

    def models(self) -> list[tuple[str, str]]:
        """Models that can redraw faces."""
        return [("the first one installed", ""), *((s.title, s.name) for s in self.studio.catalogue.specs() if able(s))]

    def adapters(self) -> list[tuple[str, str]]:
        """IP-Adapters that are there."""
        specs = self.studio.catalogue.specs("ip_adapter")
        return [("the first one installed", ""), *((spec.title, spec.name) for spec in specs)]


def card_html(card: EngineCard) -> str:
    """What an engine is, what it draws with, and what stands in its way."""
    lines = [f'<p class="words">{escape(card.about)}</p>']
    lines += [f'<p class="words">{escape(line)}</p>' for line in card.licences]
    if not card.ready:
        lines.append(f'<div class="say info"><b>{escape(card.sentence)}</b> {escape(card.hint)}</div>')
    return "".join(lines)
