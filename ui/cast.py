"""Whose face: photos of the performer, and the agreement without which no face is used."""

from __future__ import annotations

from typing import Any

import gradio as gr

from diffscaler.errors import InvalidRequest
from diffscaler.studio import Studio
from ui.shelf import Shelf

MEANING = "I have this person's permission to use their face in this film."


class Cast:
    """The shelf of faces with the tick and the note that belong to it."""

    def __init__(self, studio: Studio, name: str) -> None:
        self.shelf = Shelf(studio, f"{name}-face", "Photos of the performer", photos=True)
        self.name = name

    def place(self) -> None:
        """Place the shelf, the tick and the note here."""
        name = self.name
        self.shelf.place()
        with gr.Group(elem_classes=["consent"], elem_id=f"{name}-consent-box"):
            self.agreed = gr.Checkbox(False, label=MEANING, elem_id=f"{name}-agreed")
            self.note = gr.Textbox(
                "",
                label="Who agreed, and when",
                placeholder="Anna Berg, release signed 12 March 2026",
                max_length=500,
                elem_id=f"{name}-consent",
            )

    def wire(self) -> None:
        self.shelf.wire()

    @property
    def inputs(self) -> dict[str, Any]:
        return {"faces": self.shelf.picked, "agreed": self.agreed, "consent": self.note}


def check_consent(faces: list[str], agreed: bool | None, consent: str) -> None:
    """Raises InvalidRequest when faces are used and nobody said who agreed."""
    if not faces:
        return
    if not agreed:
        raise InvalidRequest("A face is used only with its owner's permission.", "Tick the box under the photos.")
    if not consent.strip():
        raise InvalidRequest("Nobody is named as having agreed.", "Write who gave the permission, and when.")
