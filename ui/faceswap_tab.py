"""The Face swap tab: its controls and its wiring."""

from __future__ import annotations

from contextlib import suppress
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.faceswap.mask_plan import fronts
from diffscaler.library.clips import Clip
from diffscaler.requests import FaceSwapRequest
from diffscaler.studio import Studio
from ui import monitor
from ui.cast import Cast, CastShelf, check_consent, member_of
from ui.controls import control, filled, more
from ui.engines import EnginePane
from ui.estimate import costing
from ui.pane import QUIET
from ui.people import PeopleStrip, played_by
from ui.review import ReviewPane, swap_in
from ui.shelf import Shelf
from ui.source import source_of
from ui.watch import Updates, Watch

KIND = "faceswap"


class FaceSwapTab:
    """Performers' faces onto the people in a clip."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.watch = Watch(studio, KIND, "Swap", "Pick a clip and a photo of the performer.", self.show)
        self.cast = Cast(studio, KIND)
        self.members = CastShelf(studio, self.cast)
        self.clips = Shelf(studio, f"{KIND}-clip", "The clip to change")
        self.engines = EnginePane(studio)
        self.people = PeopleStrip(studio, KIND)
        self.review = ReviewPane(studio, self.watch)

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Face swap", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                self.clips.place()
                self.members.place()
                self.cast.place()
                self.members.place_joining()
                engines = self.engines.place()
                people = control(FaceSwapRequest, "people", info=None)
                rest = more(FaceSwapRequest, in_front={"info": self.front_line()})
                self.watch.button()
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
                self.people.place()
                self.review.place()
        self.fields = {**engines, "people": people, **rest}
        self.inputs: dict[str, Any] = {
            "clip": self.clips.picked,
            **self.fields,
            **self.cast.inputs,
            "member": self.members.picked,
            "plays": self.people.state,
        }

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        self.cast.wire()
        self.members.wire()
        self.clips.wire()
        self.people.wire(self.clips.picked, self.members.picked, self.fields["commercial_only"])
        self.review.wire()
        self.engines.wire(page, self.fields["commercial_only"])
        self.clips.picked.change(
            self.watch.source,
            [self.watch.state, self.clips.picked],
            self.watch.outputs,
            trigger_mode="always_last",
            **QUIET,
        )
        # Who joins or leaves the cast can play people, or can no longer; who leaves was not always the one picked.
        for cast_changed in (self.members.picked.change, self.members.clicked.then):
            cast_changed(self.people.look, self.people.state, self.people.outputs, **QUIET)
        self.watch.go.click(self.on_swap, inputs_kwargs=self.inputs, outputs=self.watch.outputs, **QUIET)
        names = ("clip", "faces", "member", "plays", *self.fields)
        costs: dict[str, Any] = {name: self.inputs[name] for name in names}
        gr.on([at.change for at in costs.values()], self.on_change, inputs_kwargs=costs, outputs=self.watch.go,
              trigger_mode="always_last", **QUIET)  # fmt: skip
        page.load(
            self.restore,
            [self.watch.state, self.clips.picked, self.cast.shelf.picked, self.members.picked, self.people.state],
            [
                *self.watch.outputs, self.clips.pane, self.cast.shelf.pane, self.members.pane, *self.people.outputs,
                self.people.said, self.review.pane, self.review.timer,
            ],
            **QUIET,
        )  # fmt: skip

    def keep_models(self, models: gr.State) -> None:
        """Look for models again when the tab is opened, and when `models` changes."""
        self.engines.keep_models(self.tab, models, self.fields["commercial_only"])

    def request(
        self, clip: list[str], faces: list[str], consent: str, member: str, plays: dict[str, Any], **values: Any
    ) -> FaceSwapRequest:
        """Who plays whom: as it stands on the people's cards; else the photos; else the member who is picked."""
        key = "".join(clip[:1])
        cast = self.people.playing(key, plays, bool(values.get("commercial_only")))
        if not cast and not faces and member:
            cast = (played_by(self.studio.cast.get(member), values.get("people") or "all"),)
        given = {"faces": tuple(faces), "consent": consent} if not cast else {"cast": cast}
        return FaceSwapRequest(clip=key, **given, **filled(values))

    def on_swap(self, agreed: bool, faces: list[str], consent: str | None, **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            request = self.request(faces=faces, consent=consent or "", **values)
            if not request.cast:
                check_consent(faces, agreed, consent or "")
            updates |= self.watch.submit(request)
        return updates

    def on_change(self, **values: Any) -> Updates:
        label = "Swap"
        with suppress(DiffScalerError, ValidationError):  # said when the button is pressed
            label = costing(self.studio, "Swap", self.request(consent="", **values))
        return {self.watch.go: gr.Button(label)}

    @property
    def filling(self) -> list[Any]:
        """Everything that `fill` may change."""
        people = [*self.people.outputs, self.people.said]
        picked = [self.clips.picked, self.cast.shelf.picked, self.members.picked, self.members.pane]
        return [*self.fields.values(), *picked, *people]

    def fill(self, request: FaceSwapRequest, clip: Clip | None = None) -> Updates:
        """The settings of a swap. clip: what came of it, which tells who counted its people"""
        members = {role: member_of(self.studio, role) for role in request.cast}
        swap = swap_in(clip.node) if clip is not None else None
        state = self.people.cast_as(
            request, {role: member.id for role, member in members.items() if member}, swap.inputs[1].key if swap else ""
        )
        whole = [role for role in request.cast if isinstance(role.people, str)]
        member = members[whole[0]] if len(request.cast) == len(whole) == 1 else None
        if lost := [role.name for role in request.cast if members[role] is None]:
            gr.Warning(f"No longer in the cast: {escape(', '.join(lost))}.", title="Not all of it is back")
        elif request.cast and not member and not state["plays"]:
            gr.Warning("Cast the people on their cards again.", title="Not all of it is back")
        values = request.model_dump(mode="json")  # lists for what may be ticked
        fields = {at: values[name] for name, at in self.fields.items()}
        if member:
            fields[self.fields["people"]] = whole[0].people
        chosen = member.id if member else ""
        return fields | {
            self.clips.picked: [request.clip],
            self.cast.shelf.picked: list(request.faces),
            self.members.picked: chosen,
            self.members.pane: self.members.render(chosen),
            **self.people.search(state),
        }

    def restore(
        self, state: dict[str, Any], clip: list[str], faces: list[str], member: str, plays: dict[str, Any]
    ) -> Updates:
        shelves = {self.clips.pane: self.clips.render(clip), self.cast.shelf.pane: self.cast.shelf.render(faces)}
        shelves[self.members.pane] = self.members.render(member)
        return self.watch.restore(state) | shelves | self.people.search(plays) | self.review.look(state)

    def show(self, clip: Clip) -> str:
        """The swapped clip beside what it was made from."""
        source = source_of(self.studio, clip)
        if source is None:
            return monitor.of_clip(self.studio, clip)
        return monitor.of_pair(self.studio, source, clip, wipe=False)

    def front_line(self) -> str:
        """What keeps things in front of faces when nothing else is chosen."""
        seen = {"parsing": "the face parser", "occluder": "the occluder", "looks": "how the face looks otherwise"}
        told = " and ".join(seen[name] for name in fronts(self.studio.catalogue, "auto", False))
        return f"Hands, hair, glasses. Automatic here: by {told}. (occlusion mask)"
