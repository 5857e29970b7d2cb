"""A film handed over: what to write, how far it is, the files once they are written; and a shot list to open."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.projects.deliver import Delivered, Wanted
from diffscaler.projects.handover import Handover, Handovers
from diffscaler.studio import Studio
from diffscaler.wording import bytes_in_words
from ui import pieces
from ui.controls import control
from ui.pane import pane
from ui.pictures import url_of
from ui.watch import LOOK_S, Updates, said

#: What takes no longer is shown at once.
QUICK_S = 1.5


class FilmFiles:
    """The film is written beside the page: it goes on when the page is closed, and is found again when it is opened."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.handovers = Handovers(studio)
        self.timer = gr.Timer(LOOK_S, active=False)

    def place(self) -> None:
        """Place the choice and its button here."""
        with gr.Accordion("Deliver", open=False, elem_id="film-deliver"):
            items = control(Wanted, "items", value=["animatic", "cut"], show_label=False, info=None)
            with gr.Row(elem_classes=["fields"]):
                self.wanted: dict[str, Any] = {
                    "items": items,
                    "media": control(Wanted, "media"),
                    "one_zip": control(Wanted, "one_zip"),
                }
            with gr.Row(elem_classes=["files"]):
                self.go = gr.Button("Deliver", size="sm", elem_id="film-deliver-go")
                self.table = gr.UploadButton(
                    "Open a shot list", file_count="single", size="sm", elem_id="film-open-list"
                )  # fmt: skip

    def place_links(self) -> None:
        """Place what is being written, or was, here."""
        self.links = pane(elem_id="film-links")

    def begin(self, film: str, wanted: Wanted) -> Updates:
        """Write it; what is done in a moment is shown at once."""
        updates: Updates = {}
        with said(updates, self.links):
            if not film:
                raise InvalidRequest("There is no film yet.", "Drop a script, or write one.")
            self.handovers.begin(film, wanted).wait(QUICK_S)
            updates |= self.look(film)
        return updates

    def stop(self, film: str) -> Updates:
        handover = self.handovers.of(film)
        if handover is not None:
            handover.stop()
            handover.wait(QUICK_S)
        return self.look(film)

    def look(self, film: str) -> Updates:
        """How far it is."""
        handover = self.handovers.of(film)
        html = of_handover(handover) if handover is not None else ""
        return {self.links: html, self.timer: gr.Timer(active=handover is not None and handover.state == "running")}

    def made(self, film: str) -> str:
        """The clip of the animatic that was written last; "" while it is being written and where none was."""
        handover = self.handovers.of(film)
        if handover is not None and handover.result.animatic:
            with suppress(DiffScalerError):
                return self.studio.library.clip(handover.result.animatic).key
        return ""


def of_handover(handover: Handover) -> str:
    """How far a film is, or what came of it, as HTML."""
    if handover.state == "running":
        stop = pieces.do("stop", "Stop", disabled=handover.stopping)
        text = "Stopping" if handover.stopping else handover.text
        bar = pieces.bar(handover.fraction, "The film")
        return f'<div class="progress">{bar}<p role="status">{escape(text)}</p></div><div class="verbs">{stop}</div>'
    if handover.state == "failed":
        return pieces.message(handover.sentence, handover.hint)
    if handover.state == "stopped":
        return pieces.message("Stopped.", "What was made is kept: pressed again, it goes on from there.", "info")
    return of_files(handover.result)


def of_files(made: Delivered) -> str:
    """Links to what was written, and what to know of it."""
    links = "".join(_link(path) for path in made.files if path.exists())
    return f'<p class="verbs">{links}</p>' + "".join(f'<p class="words">{escape(text)}</p>' for text in made.said)


def _link(path: Path) -> str:
    status = path.stat()
    return (
        f'<a class="verb" href="{url_of(path, status.st_mtime_ns)}" download="{escape(path.name)}">'
        f'Save {escape(path.name)}</a> <span class="quiet">{bytes_in_words(status.st_size)}</span> '
    )
