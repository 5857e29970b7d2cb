"""Files of a film: the shot list, the cut for an edit suite, the film itself to keep or to send; and a list to open."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path

import gradio as gr

from diffscaler.projects import edits
from diffscaler.projects.deliver import write_cut_folder
from diffscaler.projects.making import standing_of
from diffscaler.projects.package import Piece, Which, write_zip
from diffscaler.projects.package import pieces as pieces_of
from diffscaler.projects.project import Project
from diffscaler.studio import Studio
from diffscaler.wording import bytes_in_words
from ui import pieces
from ui.pane import pane
from ui.pictures import url_of
from ui.watch import Updates, said

BUTTONS = (
    ("list", "Shot list", "A table for a spreadsheet (CSV); open it again here"),
    ("cut", "Cut", "Clips and timelines for an edit suite: OpenTimelineIO, EDL, FCP7 XML, FCPXML, SRT"),
    ("film", "Film", "Script, board and the clips that are in the film, to keep or to send (zip)"),
    ("everything", "Film, all takes", "The same with every take that is made (zip)"),
)


class FilmFiles:
    """Buttons that write a file, and the link to it once it is written."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def place(self) -> None:
        """Place the buttons here."""
        with gr.Row(elem_classes=["files"]):
            self.buttons = pane(self.row(), elem_id="film-files")
            self.table = gr.UploadButton(
                "Open a shot list", file_count="single", size="sm", elem_id="film-open-list"
            )  # fmt: skip
        self.links = pane(elem_id="film-links")

    def row(self) -> str:
        made = "".join(pieces.do(verb, label, title=title) for verb, label, title in BUTTONS)
        return f'<div class="verbs">{made}</div>'

    def on_click(self, film: str, event: gr.EventData) -> Iterator[Updates]:
        """Write what was asked for, saying how far it is."""
        updates: Updates = {self.links: '<p class="quiet" role="status">Writing.</p>'}
        yield updates
        updates = {}
        with said(updates, self.links):
            project = self.studio.projects.get(film)
            for line in self.written(project, str(event.do)):
                yield {self.links: line}
        if updates:
            yield updates

    def written(self, project: Project, verb: str) -> Iterator[str]:
        """Lines of HTML while a file is written, the last with its link. Raises DiffScalerError, OSError."""
        folder = self.studio.projects.folder(project.id)
        folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w -]+", "_", project.title, flags=re.ASCII).strip(" _") or "film"
        standing = standing_of(self.studio, project)
        if verb == "list":
            path = folder / f"{name} shots.csv"
            path.write_bytes(edits.shot_list(project).encode("utf-8-sig"))
        elif verb == "cut":
            root = folder / "cut"
            shutil.rmtree(root, ignore_errors=True)  # clips of an earlier cut would lie beside this one's
            for count in write_cut_folder(project, standing, self.studio.library, root):
                yield f'<p class="quiet" role="status">{count} clips copied.</p>'
            path = folder / f"{name} cut.zip"
            found = [Piece(at.relative_to(root).as_posix(), at) for at in sorted(root.rglob("*")) if at.is_file()]
            yield from _progress(found, path)
        else:
            which: Which = "all" if verb == "everything" else "circled"
            path = folder / f"{name}{' all takes' if which == 'all' else ''}.zip"
            yield from _progress(pieces_of(project, standing, self.studio.library, which), path)
        yield _link(path)


def _progress(found: list[Piece], path: Path) -> Iterator[str]:
    whole = max(1, sum(piece.size_bytes for piece in found))
    for done in write_zip(found, path):
        yield pieces.bar(done / whole, "Packing")


def _link(path: Path) -> str:
    status = path.stat()
    return (
        f'<p class="verbs"><a class="verb" href="{url_of(path, status.st_mtime_ns)}" download="{escape(path.name)}">'
        f'Save {escape(path.name)}</a> <span class="quiet">{bytes_in_words(status.st_size)}</span></p>'
    )
