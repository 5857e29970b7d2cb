"""The models there are for text to video, and those that read clips: what each is, what it needs here, and a button to
get it."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr

from diffscaler.errors import InvalidRequest
from diffscaler.models.annotators import DOES
from diffscaler.models.device import free_main_memory
from diffscaler.models.spec import Known, ModelSpec
from diffscaler.speed import Speed, measured
from diffscaler.studio import Studio
from diffscaler.wording import bytes_in_words
from ui import pieces
from ui.pane import QUIET, pane
from ui.watch import Updates, said

GOES_ON = "It goes on when this page is closed."


class ModelsShelf:
    """Cards of installed and known models, and a place to name another one."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def place(self) -> None:
        """Place the shelf here."""
        self.pane = pane(self.render("mini"), elem_id="models", elem_classes=["models"])
        self.said = pane(elem_id="models-said", elem_classes=["said"])
        with gr.Row(elem_classes=["fields"]):
            self.other = gr.Textbox(
                "", label="Another model", info="owner/name on the hub, or a folder on the machine that draws.",
                max_lines=1, max_length=500, elem_id="models-other",
            )  # fmt: skip
            self.token = gr.Textbox(
                "", label="Hub token", info="For models behind a licence. Used for the download and not kept.",
                type="password", max_lines=1, max_length=200, elem_id="models-token",
            )  # fmt: skip
        self.add = gr.Button("Add", size="sm", elem_id="models-add")

    def wire(self, chosen: gr.Dropdown) -> None:
        """chosen: the control that says which model draws."""
        self.chosen = chosen
        outputs = [self.pane, self.said, chosen, self.other, self.token]
        self.pane.click(self.on_click, [self.token, chosen], outputs, **QUIET)
        self.add.click(self.on_add, [self.other, self.token, chosen], outputs, **QUIET)
        chosen.change(self.render, chosen, self.pane, **QUIET)

    def on_click(self, token: str, chosen: str, event: gr.EventData) -> Updates:
        verb, name = str(event.do), str(event.key)
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            if verb == "use":
                chosen = name
                updates[self.chosen] = gr.Dropdown(choices=choices(self.studio), value=name)
            elif verb == "get":
                updates |= self.getting(name, token)
            elif verb == "remove":
                removal = self.studio.shelf.removal(name)
                self.studio.remove_model(removal)
                chosen = "mini" if chosen == name else chosen
                updates[self.chosen] = gr.Dropdown(choices=choices(self.studio), value=chosen)
            updates[self.pane] = self.render(chosen)
        return updates

    def on_add(self, other: str, token: str, chosen: str) -> Updates:
        """A repository is fetched; a folder is used where it lies."""
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            text = (other or "").strip()
            if not text:
                raise InvalidRequest("No model was named.", "Write owner/name, or the path of a folder.")
            if (path := Path(text).expanduser()).exists():
                known = self.studio.shelf.add(path)
                updates[self.said] = pieces.message(f"{known.spec.title} is there.", "", "info")
                updates[self.chosen] = gr.Dropdown(choices=choices(self.studio))
            else:
                updates |= self.getting(text, token)
            updates |= {self.other: "", self.pane: self.render(chosen)}
        return updates

    def getting(self, name: str, token: str) -> Updates:
        """Queue a download. The token leaves the page with it."""
        job = self.studio.get_model(name, token=(token or "").strip())
        return {self.said: pieces.message(f"{job.title}: see the queue.", GOES_ON, "info"), self.token: ""}

    def render(self, chosen: str) -> str:
        """The cards: installed ones first."""
        found = self.studio.catalogue.known()
        every = [known for known in found if draws(known)] + [known for known in found if known.spec.kind in DOES]
        fetching = {str(job.payload.get("model")) for job in self.studio.queue.list(ended=False) if job.kind == "model"}
        return "".join(
            card(
                known,
                known.spec.name == chosen,
                known.spec.name in fetching,
                measured(self.studio.library, known.spec) if known.installed and draws(known) else None,
            )
            for known in every
        )


def choices(studio: Studio) -> list[tuple[str, str]]:
    """(title, name) of the installed models, for the control that says which one draws."""
    return [(spec.title, spec.name) for spec in studio.catalogue.specs("text2video")] or [("mini, built in", "mini")]


def draws(known: Known) -> bool:
    """Whether a model draws clips, rather than reading them for another one."""
    return known.spec.kind == "text2video"


def card(known: Known, chosen: bool, fetching: bool, speed: Speed | None = None) -> str:
    """One model: what it is, what it draws, what it needs, how fast it was here, and what can be done with it."""
    spec = known.spec
    fast = escape(str(speed)) if speed else ""
    rows = [escape(spec.description), native(spec), needs(known), fast, f"Licence: {escape(spec.licence)}"]
    lines = "".join(f"<li>{row}</li>" for row in rows if row)
    state = " on" if chosen else "" if known.installed else " off"
    buttons = verbs(known, chosen, fetching)
    told = f"<b>{escape(spec.title)}</b><ul>{lines}</ul>"
    return f'<article class="model{state}">{told}<nav class="verbs">{buttons}</nav></article>'


def native(spec: ModelSpec) -> str:
    """ "832 × 480, 81 frames, 16 fps" """
    own, parts = spec.native, []
    if "width" in own and "height" in own:
        parts.append(f"{own['width']} × {own['height']}")
    if "num_frames" in own:
        parts.append(f"{own['num_frames']} frames")
    if "fps" in own:
        parts.append(f"{own['fps']} fps")
    if spec.traits.image == "needed":
        parts.append("starts from a picture")
    return ", ".join(parts)


def needs(known: Known) -> str:
    """Memory of an installed model beside what is free; size of a download and how much of it has come."""
    spec = known.spec
    if known.installed and spec.working_bytes:
        free = free_main_memory()
        tight = " <em>(more than is free)</em>" if spec.working_bytes > free else ""
        return f"Memory: about {bytes_in_words(spec.working_bytes)}{tight}"
    if known.part_bytes:
        return f"{bytes_in_words(known.part_bytes)} of it have come"
    if spec.download_bytes:
        return f"Download: {bytes_in_words(spec.download_bytes)}"
    return ""


def verbs(known: Known, chosen: bool, fetching: bool) -> str:
    """The buttons of a card."""
    spec = known.spec
    if fetching:
        return '<span class="quiet">in the queue</span>'
    if not known.installed:
        if spec.source is None:
            return '<span class="quiet">its files are away</span>'
        label = "Go on" if known.part_bytes else "Get"
        title = "Asks you to accept its licence on the hub first" if spec.gated else "Download it"
        return pieces.do("get", label, key=spec.name, title=title)
    if not draws(known):
        made = f'<span class="quiet">{DOES[spec.kind]}</span>'
    else:
        made = '<span class="quiet">draws</span>' if chosen else pieces.do("use", "Use", key=spec.name)
    if spec.built_in:
        return made
    what = "Forget it? Its files stay." if known.linked else "Delete this model and its files?"
    return made + pieces.do("remove", "Forget" if known.linked else "Delete", key=spec.name, cls="danger", confirm=what)
