"""Whose face: photos of the performer, and the agreement without which no face is used; and the cast they can join."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.cast import CONSENT_MISSING, Member
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.faceswap.remarks import PhotoFacts, remarks_on
from diffscaler.jobs.job import Job
from diffscaler.requests import InspectPhotoRequest, Playing
from diffscaler.studio import Studio
from ui import pieces
from ui.pane import QUIET, pane
from ui.portraits import Portrait, Portraits
from ui.shelf import Shelf
from ui.watch import Updates, remembered, said

MEANING = "I have this person's permission to use their face in this film."
LOOK_S = 0.7


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


class CastShelf:
    """The cast as cards; `picked` holds the member chosen, kept by this browser. Photos on `cast` can join it."""

    def __init__(self, studio: Studio, cast: Cast) -> None:
        self.studio, self.cast, self.name = studio, cast, cast.name
        self.portraits = Portraits(studio)
        self.picked = remembered(f"{self.name}.member", "")
        self.timer = gr.Timer(LOOK_S, active=False)

    def place(self) -> None:
        """Place the cards here."""
        self.pane = pane(elem_id=f"{self.name}-cast", elem_classes=["shelf"])

    def place_joining(self) -> None:
        """Place what is told about the photos, and the name and the button with which their owner joins the cast."""
        self.remarks = pane(elem_id=f"{self.name}-remarks", elem_classes=["remarks"])
        with gr.Row(elem_classes=["joining"]):
            self.new_name = gr.Textbox(
                "", show_label=False, placeholder="Name", max_length=80, scale=2, elem_id=f"{self.name}-member-name"
            )
            self.join = gr.Button("Add to the cast", scale=1, size="sm", elem_id=f"{self.name}-join")
        self.said = pane(elem_classes=["said"], elem_id=f"{self.name}-cast-said")

    def wire(self) -> None:
        photos = self.cast.shelf.picked
        photos.change(self.on_photos, photos, [self.remarks, self.timer, self.said], **QUIET)
        self.timer.tick(self.look, photos, [self.remarks, self.timer], trigger_mode="once", **QUIET)
        self.join.click(
            self.on_join,
            inputs_kwargs={**self.cast.inputs, "name": self.new_name},
            outputs=[self.picked, self.pane, self.new_name, photos, self.cast.agreed, self.cast.note, self.said],
            **QUIET,
        )
        self.clicked = self.pane.click(self.on_click, self.picked, [self.picked, self.pane, self.said], **QUIET)

    # -- photos -------------------------------------------------------------------------------------------------------

    def on_photos(self, picked: list[str]) -> Updates:
        """Have the photos just picked looked at by the worker."""
        for key in picked:
            if self._facts(key) is None and self._given_up(key) is None:
                try:
                    self.studio.submit(InspectPhotoRequest(photo=key))
                except DiffScalerError:
                    continue  # said when the photo is used
        return self.look(picked) | {self.said: ""}  # what was wrong with other photos is no more

    def look(self, picked: list[str]) -> Updates:
        known = [(key, self._facts(key)) for key in picked]
        waiting = [key for key, facts in known if facts is None and self._asked(key)]
        lines = "".join(self._remark(key, facts) for key, facts in known)
        return {self.remarks: lines, self.timer: gr.Timer(active=bool(waiting))}

    def _remark(self, key: str, facts: PhotoFacts | None) -> str:
        try:
            title = escape(self.studio.library.clip(key).title)
        except DiffScalerError:  # deleted since; the shelf shows it no more either
            return ""
        if facts is None:
            if self._asked(key):
                return f'<p class="quiet">{title}: looking at it.</p>'
            failed = self._given_up(key)
            return f'<p class="bad"><b>{title}</b> {escape(failed.sentence or "")}</p>' if failed else ""
        grade, texts = remarks_on(facts)
        return f'<p class="{grade}"><b>{title}</b> {escape(" ".join(texts) or "A good likeness.")}</p>'

    def _asked(self, key: str) -> bool:
        """Whether a job that looks at this photo waits or runs."""
        return any((job.request or {}).get("photo") == key for job in self.studio.queue.list(ended=False))

    def _given_up(self, key: str) -> Job | None:
        """The latest job that was to look at this photo, where it failed: it would again, and Retry is in the queue."""
        ended = (job for job in self.studio.queue.list(ended=True) if (job.request or {}).get("photo") == key)
        job = next(ended, None)
        return job if job is not None and job.state == "failed" else None

    def _facts(self, key: str) -> PhotoFacts | None:
        return self.portraits.facts(key)

    # -- members ------------------------------------------------------------------------------------------------------

    def on_join(self, faces: list[str], agreed: bool, consent: str | None, name: str | None) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            for key in faces:
                facts, failed = self._facts(key), self._given_up(key)
                if facts is None and failed is not None:
                    raise InvalidRequest(failed.sentence, "Take that photo off the shelf first.")
                if facts is not None and facts.count == 0:
                    raise InvalidRequest(
                        f"{self.studio.library.clip(key).title} shows no face.", "Take it off the shelf first."
                    )
            member = self.studio.cast.add(name or "", tuple(faces), consent or "", bool(agreed))
            updates |= {
                self.picked: member.id,
                self.pane: self.render(member.id),
                self.new_name: "",
                self.cast.shelf.picked: [],
                self.cast.agreed: False,
                self.cast.note: "",
            }
        return updates

    def on_click(self, picked: str, event: gr.EventData) -> Updates:
        verb, key = str(event.do), str(event.key)
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            if verb == "dismiss":
                self.studio.cast.remove(key)
                picked = "" if picked == key else picked
            else:
                picked = "" if picked == key else key
            updates |= {self.picked: picked, self.pane: self.render(picked)}
        return updates

    def render(self, picked: str) -> str:
        """The cast as HTML."""
        everyone = self.portraits.of(self.studio.cast.list())
        cards = [self._card(portrait, portrait.member.id == picked) for portrait in everyone]
        return f'<h3 class="label">Cast</h3><div class="cards cast">{"".join(cards)}</div>' if cards else ""

    def _card(self, portrait: Portrait, pressed: bool) -> str:
        member = portrait.member
        photos = f"{len(member.photos)} photo{'s' if len(member.photos) > 1 else ''}"
        about = escape(f"{member.name}, {photos}. {member.consent}")
        return (
            f'<div class="card" draggable="true" data-member="{member.id}" aria-pressed="{str(pressed).lower()}">'
            f'<button type="button" data-do="pick" data-key="{member.id}" title="{about}"'
            f' aria-pressed="{str(pressed).lower()}">{portrait.image}'
            f'<span class="name {portrait.grade}">{escape(member.name)}</span></button>'
            + pieces.do("dismiss", "×", cls="dismiss", key=member.id, title=f"Take {member.name} out of the cast",
                        confirm=f"Take {member.name} out of the cast? Photos and clips stay.")
            + "</div>"
        )  # fmt: skip


def member_of(studio: Studio, role: Playing) -> Member | None:
    """Who of the cast played a role: by photos and name. None when they left."""
    same = [member for member in studio.cast.list() if set(member.photos) == set(role.faces)]
    return next((member for member in same if member.name == role.name), None)


def check_consent(faces: list[str], agreed: bool | None, consent: str) -> None:
    """Raises InvalidRequest when faces are used and nobody said who agreed."""
    if not faces:
        return
    if not agreed:
        raise InvalidRequest(CONSENT_MISSING, "Tick the box under the photos.")
    if not consent.strip():
        raise InvalidRequest("Nobody is named as having agreed.", "Write who gave the permission, and when.")
