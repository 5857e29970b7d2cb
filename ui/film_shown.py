"""How a film is shown: its cards, what is written into the picture, who speaks, and a sound of one's own."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import InvalidRequest
from diffscaler.projects import edits
from diffscaler.projects.film import FilmSettings
from diffscaler.projects.project import Project
from diffscaler.studio import Studio
from ui import pieces
from ui.controls import control
from ui.pane import pane

NO_SOUND = '<p class="quiet">No sound of your own.</p>'


class FilmShown:
    """Settings of the film, kept with it; the sound file is kept in the library."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.settings: dict[str, Any] = {}

    def place(self) -> None:
        """Place the controls here."""
        with gr.Accordion("How it is shown", open=False, elem_id="film-shown"):
            self._row("cards", "speech", "language")
            self._row("burn_in", "burn_subtitles")
            with gr.Row(elem_classes=["fields"]):
                # No file_types: a wrong file is refused with a sentence that says what it really is.
                self.file = gr.UploadButton("Own sound", file_count="single", size="sm", elem_id="film-sound")
                self.own = pane(NO_SOUND, elem_id="film-own")
            self._row("sound_at", "sound_track")

    def _row(self, *names: str) -> None:
        with gr.Row(elem_classes=["fields"]):
            self.settings |= {name: control(FilmSettings, name) for name in names}

    def laid(self, film: str, path: Path) -> Project:
        """The film with a sound of one's own under it. Raises MediaError for a file without sound, InvalidRequest."""
        if not film:
            raise InvalidRequest("There is no film yet.", "Drop a script, or write one.")
        told = {"sound": self.studio.library.add_sound(path), "sound_name": path.name[-200:]}
        return self.studio.projects.change(film, lambda one: edits.set_film(one, one.film.model_copy(update=told)))

    def taken_away(self, film: str) -> Project:
        """The film without it. Raises InvalidRequest when the film is gone."""
        none = {"sound": "", "sound_name": ""}
        return self.studio.projects.change(film, lambda one: edits.set_film(one, one.film.model_copy(update=none)))

    def sound(self, project: Project | None) -> str:
        """Which sound is under it, as HTML."""
        if project is None or not project.film.sound:
            return NO_SOUND
        away = pieces.do("away", "Take it away", cls="link")
        return f'<p class="words">{escape(project.film.sound_name)} {away}</p>'
