"""The Library tab: a contact sheet of everything made and given, and each clip's story."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError
from diffscaler.library.clips import Clip
from diffscaler.studio import Studio
from ui import pieces
from ui.lineage import chain
from ui.pane import QUIET, pane
from ui.watch import Updates, explained, remembered

KIND = "library"
SHOWN = 120
KINDS = {
    "everything": (),
    "from words": ("Text2VideoRequest",),
    "swapped": ("FaceSwapRequest",),
    "upscaled": ("UpscaleRequest",),
    "delivered": ("DeliverRequest",),
    "imported": ("",),
}
EMPTY = "Nothing here yet. What you make or drop on the page is kept here."


class LibraryTab:
    """A contact sheet, newest first; a click opens a clip with its lineage and its verbs."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.opened = remembered(f"{KIND}.opened", None)

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Library", id=KIND) as self.tab:
            with gr.Row(elem_classes=["filters"]):
                self.search = gr.Textbox(
                    show_label=False, placeholder="Search by prompt or name", container=False, elem_id="search"
                )
                self.kind = gr.Radio(
                    list(KINDS), value="everything", show_label=False, container=False, elem_id="kinds"
                )
                self.drop = gr.UploadButton("Add files", file_count="multiple", size="sm", elem_id="library-add")
            with gr.Row(elem_classes=["shelves"]):
                self.sheet = pane(elem_id="sheet")
                self.detail = pane(elem_id="detail", elem_classes=["monitor"])

    @property
    def outputs(self) -> list[Any]:
        return [self.sheet, self.detail, self.opened]

    def wire(self, page: gr.Blocks) -> None:
        filters = [self.search, self.kind]
        gr.on(
            [self.search.change, self.kind.change, self.tab.select],
            self.render, [*filters, self.opened], self.sheet, trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        self.sheet.click(self.on_open, filters, self.outputs, **QUIET)
        self.drop.upload(
            self.on_drop, [self.drop, *filters], self.outputs, api_visibility="private", show_progress="hidden"
        )
        page.load(self.restore, self.opened, self.outputs, **QUIET)

    def restore(self, opened: str | None) -> Updates:
        return {self.sheet: self.render("", "everything", opened), self.detail: self.story(opened), self.opened: opened}

    def on_open(self, search: str, kind: str, event: gr.EventData) -> Updates:
        key = str(event.key)
        return {self.sheet: self.render(search, kind, key), self.detail: self.story(key), self.opened: key}

    def on_drop(self, files: list[str], search: str, kind: str) -> Updates:
        added: str | None = None
        for file in files:
            try:
                added = self.studio.add_file(Path(file)).key
            except Exception as error:
                gr.Warning(explained(error), title="Not added")
        return {self.sheet: self.render(search, kind, added), self.detail: self.story(added), self.opened: added}

    def listing(self, search: str, kind: str) -> Updates:
        """The sheet with nothing opened, after something has left it."""
        return {self.sheet: self.render(search, kind, None), self.detail: "", self.opened: None}

    def render(self, search: str | None, kind: str, opened: str | None) -> str:
        clips = [clip for clip in self.studio.library.list(kept_only=True, search=(search or "").strip(), limit=500)
                 if shown(clip, kind)][:SHOWN]  # fmt: skip
        if not clips:
            return f'<p class="invite">{escape("Nothing matches." if search or kind != "everything" else EMPTY)}</p>'
        cards = "".join(pieces.card(self.studio, clip, picked=clip.key == opened, verb="show") for clip in clips)
        return f'<div class="cards sheet">{cards}</div>'

    def story(self, key: str | None) -> str:
        """A clip with its verbs and the chain of stages behind it."""
        try:
            clip = self.studio.library.clip(key) if key else None
        except DiffScalerError:
            clip = None
        if clip is None:
            return ""
        when = time.strftime("%d %B %Y, %H:%M", time.localtime(clip.created))
        return (
            f'<div class="screen">{pieces.player(self.studio, clip)}</div>'
            f'<div class="under"><h2>{escape(clip.title)}</h2>{pieces.facts(self.studio, clip)}'
            f'<p class="quiet">{escape(when)}</p>{pieces.verbs(self.studio, clip)}{chain(self.studio, clip)}</div>'
        )


def shown(clip: Clip, kind: str) -> bool:
    if clip.meta.kind == "tensors":
        return False
    types = KINDS.get(kind, ())
    return not types or (clip.request or {}).get("type", "") in types
