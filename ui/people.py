"""The people in a clip, before and after a swap: each one's best frame, when they are seen, and who plays them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.cast import Member
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.faceswap.identity_stage import told_apart
from diffscaler.faceswap.people import Person, read_people
from diffscaler.jobs.job import Job
from diffscaler.plan import Node
from diffscaler.requests import FaceSwapRequest, FindPeopleRequest, Playing
from diffscaler.studio import Studio
from ui import pieces
from ui.pane import QUIET, pane
from ui.portraits import Portrait, Portraits, picture_url
from ui.watch import Updates, remembered, said

log = logging.getLogger("diffscaler.page")

MARGIN = 0.35
MOST = 24
LOOK_S = 0.7

# found: the key of the list that numbered the people; another detector counts them otherwise.
NOBODY: dict[str, Any] = {
    "clip": "", "plays": {}, "gone": [], "same": [], "joining": -1, "safe": False, "found": ""
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """One person: everything that is known to be the same face. number: the first of tracks"""

    tracks: tuple[int, ...]
    people: tuple[Person, ...]

    @property
    def number(self) -> int:
        return self.tracks[0]


class PeopleStrip:
    """A card for everyone in the picked clip. `state` says who plays them, kept by this browser."""

    def __init__(self, studio: Studio, name: str) -> None:
        self.studio, self.name = studio, name
        self.portraits = Portraits(studio)
        self._people = lru_cache(maxsize=32)(self._people_now)
        self._picture = lru_cache(maxsize=256)(self._picture_now)
        self.state = remembered(f"{name}.people", NOBODY)
        self.timer = gr.Timer(LOOK_S, active=False)

    def place(self) -> None:
        """Place the strip here."""
        self.pane = pane(elem_id=f"{self.name}-people", elem_classes=["strip"])
        self.said = pane(elem_classes=["said"], elem_id=f"{self.name}-people-said")

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.timer, self.pane]

    def wire(self, picked: gr.BrowserState, member: gr.BrowserState, safe: gr.Checkbox) -> None:
        """picked: the clip's key in a list; member: who is chosen in the cast, "" for nobody; safe: whether people are
        to be found by what may be used commercially"""
        self.timer.tick(self.look, self.state, self.outputs, trigger_mode="once", **QUIET)
        clicked = self.pane.click(self.on_click, [self.state, member], [*self.outputs, self.said], **QUIET)
        # A look that began before the click and comes back after it shows the cards as they were.
        clicked.then(self.look, self.state, self.outputs, **QUIET)
        for at in (picked, safe):
            at.change(self.on_clip, [picked, self.state, safe], [*self.outputs, self.said], **QUIET)

    def on_clip(self, picked: list[str], state: dict[str, Any] | None, safe: bool = False) -> Updates:
        """Look for people in the clip just picked; what was said about another one is forgotten."""
        clip, state = "".join(picked[:1]), known(state)
        if not clip or clip != state["clip"]:
            state = NOBODY | {"clip": clip}
        return self.search({**state, "safe": bool(safe)})

    def search(self, state: dict[str, Any] | None) -> Updates:
        """Look for the people of the state's clip, unless that was done or is being done."""
        state = known(state)
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            root = self._asked(state)
            if root is not None and self._found(root) is None:
                self.studio.submit(question(state))  # finds the job that does it already, if there is one
        return updates | self.shown(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        """The strip as it stands. The state is left alone where nothing new is known: what was clicked while this look
        was under way would be undone."""
        updates = self.shown(state)
        return updates if updates[self.state] != state else updates | {self.state: gr.skip()}

    def shown(self, state: dict[str, Any] | None) -> Updates:
        """The strip for a state, and the state."""
        state = known(state)
        root = self._asked(state)  # once: planning reads the catalogue
        found, state = self._found(root), counted(state, root)
        job = self._job(root) if root is not None and found is None else None
        inside = self.render(state, found, job)
        return {self.state: state, self.timer: gr.Timer(active=job is not None), self.pane: inside}

    def on_click(self, state: dict[str, Any] | None, member: str, event: gr.EventData) -> Updates:
        state = known(state)
        verb, number = str(event.do), int(getattr(event, "person", -1))
        plays, gone, same = dict(state["plays"]), list(state["gone"]), [list(group) for group in state["same"]]
        joining = int(state["joining"])
        if verb == "play":
            who = str(getattr(event, "member", "") or member)
            if plays.get(str(number)) == who or not who:
                plays.pop(str(number), None)
            else:
                plays[str(number)] = who
        elif verb == "gone":
            gone, joining = [*gone, number], -1  # who is no face can be joined with nobody
            plays.pop(str(number), None)
        elif verb == "same":
            if joining in (-1, number):
                joining = -1 if joining == number else number
            else:
                first, second = sorted((joining, number))
                same, joining = [*same, [first, second]], -1
                if str(second) in plays:
                    plays.setdefault(str(first), plays.pop(str(second)))
        elif verb == "anew":
            plays, gone, same, joining = {}, [], [], -1
        state = {**state, "plays": plays, "gone": gone, "same": same, "joining": joining}
        return self.shown(state) | {self.said: ""}

    def playing(self, clip: str, state: dict[str, Any] | None, safe: bool = False) -> tuple[Playing, ...]:
        """The cast of a clip as it stands on the cards; nobody when none is set, or the clip is another one.

        safe: as strict about licences as the swap will be
        Raises InvalidRequest when a member has left the cast, or who they play is not known any more.
        """
        state = known(state) | {"safe": safe}
        if not clip or clip != state["clip"] or not state["plays"]:
            return ()
        found = self._found(self._asked(state))
        if found is None or found.key != state["found"]:  # () would mean one face for everyone
            raise InvalidRequest("The people in this clip have to be found again.", "Wait for their cards, then swap.")
        tracks: dict[str, list[int]] = {}
        for group in self.groups(state, found):
            if who := state["plays"].get(str(group.number)):
                tracks.setdefault(who, []).extend(group.tracks)
        return tuple(played_by(self.studio.cast.get(who), tuple(sorted(numbers))) for who, numbers in tracks.items())

    def cast_as(self, request: FaceSwapRequest, members: dict[Playing, str], counted: str) -> dict[str, Any]:
        """The state in which the cards say what a request says.

        members: ids by role; counted: the key of the detections that numbered the people of that request
        """
        state = NOBODY | {"clip": request.clip, "safe": request.commercial_only}
        root = self._asked(state)
        if root is None or root.inputs[0].key != counted:  # their numbers would mean other people today
            return state
        numbers = ((number, who) for role, who in members.items() if not isinstance(role.people, str)
                   for number in role.people)  # fmt: skip
        return state | {"found": root.key, "plays": {str(number): who for number, who in numbers}}

    def groups(self, state: dict[str, Any], found: Node) -> list[Group]:
        """The people of the state's clip, most present first, without those that are no faces."""
        return grouped(self._people(found), state["same"], state["gone"])

    def render(self, state: dict[str, Any], found: Node | None, job: Job | None) -> str:
        """The strip as HTML. found: the finished list; job: looks for them"""
        if not state["clip"]:
            return ""
        if job is not None:
            line = escape(str(job.progress.get("text") or "Looking for people in the clip."))
            return f'<h3 class="label">People</h3><p class="quiet" role="status">{line}</p>'
        if found is None:
            return ""
        try:
            groups = self.groups(state, found)
            cast = self.portraits.of(self.studio.cast.list())
            cards = [self._card(found, group, state, cast) for group in groups[:MOST]]
        except (DiffScalerError, OSError, StopIteration, IndexError):
            log.warning("the people of %s cannot be shown", state["clip"], exc_info=True)
            return ""
        if not cards:
            inside = '<p class="quiet">No face was found in this clip.</p>'
        else:
            inside = f'<div class="people" aria-label="People found">{"".join(cards)}</div>'
        anew = pieces.do("anew", "start over", cls="link") if state["gone"] or state["same"] or state["plays"] else ""
        more = (
            f'<p class="quiet">{len(groups) - MOST} more are seen for moments only.</p>' if len(groups) > MOST else ""
        )
        how = f'<p class="quiet">Told apart {escape(told_apart(found))}.</p>' if len(groups) > 1 else ""
        return f'<h3 class="label">People {anew}</h3>{inside}{more}{how}'

    def _card(self, found: Node, group: Group, state: dict[str, Any], cast: list[Portrait]) -> str:
        who = state["plays"].get(str(group.number))
        chips = "".join(
            pieces.do("play", f"{portrait.image}<span>{escape(portrait.member.name)}</span>", cls="who",
                      person=str(group.number), member=portrait.member.id,
                      pressed=portrait.member.id == who)
            for portrait in cast
        )  # fmt: skip
        if not cast:
            chips = '<span class="quiet">Add a performer to the cast to have them play this person.</span>'
        joining = int(state["joining"])
        same = "same as …" if joining == group.number else "this is the same" if joining >= 0 else "same person"
        tools = pieces.do("same", same, cls="link", person=str(group.number), pressed=joining == group.number)
        tools += pieces.do("gone", "not a face", cls="link", person=str(group.number))
        fps = float(self.studio.library.clip(found.key).meta.fps)
        best = max(group.people, key=clarity)
        picture = self._picture(frames_under(found).key, best.best_frame, best.best_box)
        return (
            f'<figure data-person="{group.number}" class="{"cast" if who else ""}"><img src="{picture}" alt="">'
            f"<figcaption>{escape(when(group, fps))}<br>{escape(size_and_certainty(group))}"
            f'<span class="chips-row">{chips}</span><span class="tools">{tools}</span></figcaption></figure>'
        )

    def _picture_now(self, frames: str, frame: int, box: tuple[float, ...]) -> str:
        """The face inside a box of a frame, as a picture inside the page. frames: a clip's key"""
        chunk: Any = next(iter(self.studio.library.read(frames, frame)))
        picture = chunk.frames[0]
        left, top, right, bottom = crop_of(box, picture.shape[1], picture.shape[0])
        return picture_url(picture[top:bottom, left:right])

    def _people_now(self, found: Node) -> list[Person]:
        """Everyone in a clip, by the finished node that lists them."""
        chunks: Any = self.studio.library.read(found.key)
        return read_people(chunks)

    def _found(self, root: Node | None) -> Node | None:
        """The node of a clip's people, None before they were found."""
        return root if root is not None and self.studio.library.complete(root.key) else None

    def _asked(self, state: dict[str, Any]) -> Node | None:
        """The node that finds a clip's people, finished or not; None when the clip is gone."""
        try:
            return self.studio.recipes.of(question(state)).root if state["clip"] else None
        except (DiffScalerError, ValidationError):  # deleted since, or no key at all
            return None

    def _job(self, root: Node) -> Job | None:
        """The job that looks for a clip's people."""
        waiting = self.studio.queue.list(ended=False)
        return next((job for job in waiting if job.payload.get("key") == root.key), None)


def known(state: dict[str, Any] | None) -> dict[str, Any]:
    """A state as this version keeps it: what a browser kept from an earlier one may lack names, or be nothing."""
    return NOBODY | (state or {})


def frames_under(found: Node) -> Node:
    """The frames in which the people of a list were found."""
    return found.inputs[0].inputs[0]


def counted(state: dict[str, Any], root: Node | None) -> dict[str, Any]:
    """The state, without what was said of people whom another detector numbered. root: what finds them today"""
    if root is None or root.key == state["found"]:
        return state
    return NOBODY | {"clip": state["clip"], "safe": state["safe"], "found": root.key}


def question(state: dict[str, Any]) -> FindPeopleRequest:
    """What has to be found out about a state's clip."""
    return FindPeopleRequest(clip=state["clip"], commercial_only=bool(state["safe"]))


def played_by(member: Member, people: Any) -> Playing:
    """A member in a role. people: see Playing"""
    return Playing(name=member.name, faces=member.photos, consent=member.statement, people=people)


def grouped(people: list[Person], same: Iterable[Iterable[int]], gone: Iterable[int]) -> list[Group]:
    """People as groups of tracks, in the order given: those that are one person by identity or by the user's word.

    same: pairs of group numbers; gone: numbers of groups that are no faces
    """
    root = {person.track: person.track for person in people}

    def top(track: int) -> int:
        while root[track] != track:
            track = root[track]
        return track

    known = [(person.track, getattr(person, "person", person.track)) for person in people]
    pairs = [(a, b) for a, first in known for b, second in known if first == second and a < b]
    for one, other in [*pairs, *(tuple(pair) for pair in same)]:
        if one in root and other in root:
            low, high = sorted((top(one), top(other)))
            root[high] = low
    members: dict[int, list[Person]] = {}
    for person in people:
        members.setdefault(top(person.track), []).append(person)
    out = set(gone)
    groups = [Group(tuple(sorted(p.track for p in of)), tuple(of)) for of in members.values()]
    return [group for group in groups if group.number not in out]


def when(group: Group, fps: float) -> str:
    """ "00:03.0 to 00:07.2", and how many more stretches there are."""
    spans = sorted((person.start, person.stop) for person in group.people)
    text = f"{timecode(spans[0][0] / fps)} to {timecode(spans[0][1] / fps)}"
    return text if len(spans) == 1 else f"{text} and {len(spans) - 1} more"


def size_and_certainty(group: Group) -> str:
    best = max(group.people, key=clarity)
    return f"{round(best.best_box[3] - best.best_box[1])} px high, {round(100 * best.confidence)} % sure"


def clarity(person: Person) -> float:
    return person.confidence * (person.best_box[3] - person.best_box[1])


def crop_of(box: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """A face box (x1 y1 x2 y2) made square with a margin, inside a picture of width x height."""
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(box[2] - box[0], box[3] - box[1]) * (0.5 + MARGIN)
    left, top = max(0, int(centre_x - half)), max(0, int(centre_y - half))
    right, bottom = min(width, int(centre_x + half) + 1), min(height, int(centre_y + half) + 1)
    return left, top, max(left + 1, right), max(top + 1, bottom)


def timecode(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{seconds % 60:04.1f}"
