"""The review of a finished swap: a line of time that is red where somebody should look, what to do about it, and how it
came out in figures."""

from __future__ import annotations

import logging
import math
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from diffscaler.engine import missing
from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.faceswap.mask_params import KINDS
from diffscaler.faceswap.mask_plan import usable
from diffscaler.faceswap_engines import engine_card
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.plan import Node, nodes
from diffscaler.recipes import request_from
from diffscaler.requests import Correction, FaceSwapRequest, ReviewSwapRequest
from diffscaler.studio import Studio
from ui import pieces
from ui.moments import Moments, moments_of
from ui.pane import QUIET, pane
from ui.watch import Updates, Watch, said

if TYPE_CHECKING:
    from diffscaler.faceswap.review import Concern, Review

log = logging.getLogger("diffscaler.page")

LOOK_S = 0.8
CELLS = 120
MOST = 12

#: What can be done about a stretch of frames, beside the words for it; some of it where something is in front only.
REMEDIES = {"skip": "Leave the original", "over everything": "Draw over it"}
REMEDIES_HERE = {"skip": "Leave the original here", "over everything": "Draw over it here"}
#: The engines that can draw instead of the one that did, where they are installed.
ENGINES = {
    "builtin": "Built-in engine", "inswapper": "inswapper", "ghost": "GHOST", "diffusion": "Redraw by diffusion",
}  # fmt: skip
#: What else can tell what is in front, where it is installed, and did not in that swap.
MASKS = {"parsing": "Mask by the face parser", "occluder": "Mask by the occluder", "looks": "Mask by its looks"}


class ReviewPane:
    """Under the monitor: how the swapped clip it shows came out."""

    def __init__(self, studio: Studio, watch: Watch) -> None:
        self.studio, self.watch = studio, watch
        self.timer = gr.Timer(LOOK_S, active=False)
        self._review = lru_cache(maxsize=16)(self._review_now)

    def place(self) -> None:
        """Place the review here."""
        self.pane = pane(elem_id=f"{self.watch.name}-review", elem_classes=["review"])

    def wire(self) -> None:
        outputs = [self.pane, self.timer]
        self.watch.state.change(self.on_state, self.watch.state, outputs, trigger_mode="always_last", **QUIET)
        self.timer.tick(self.look, self.watch.state, outputs, trigger_mode="once", **QUIET)
        self.pane.click(self.on_click, self.watch.state, [*self.watch.outputs, *outputs], **QUIET)

    def on_state(self, state: dict[str, Any] | None) -> Updates:
        """A swap that was just finished, or is shown again, is looked at without being asked where it costs little."""
        clip = self._clip(state)
        if clip is not None and self._job(clip.key) is None and self._cheap(clip):
            try:
                self.studio.submit(ReviewSwapRequest(clip=clip.key))
            except DiffScalerError:  # its source is gone, or no room: the clip can still be watched
                log.info("no review of %s", clip.key, exc_info=True)
        return self.look(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        clip = self._clip(state)
        job = self._job(clip.key) if clip is not None and self._root(clip) is None else None
        return {self.pane: self.render(clip, job) if clip else "", self.timer: gr.Timer(active=job is not None)}

    def on_click(self, state: dict[str, Any], event: gr.EventData) -> Updates:
        """Review the clip, or do some frames otherwise: the same request with a correction more, or without any."""
        updates: Updates = {self.watch.said: ""}
        with said(updates, self.watch.said):
            clip = self._clip(state)
            if clip is None:
                return updates
            if str(event.do) == "review":
                self.studio.submit(ReviewSwapRequest(clip=clip.key))
                return updates | self.look(state)
            asked = str(event.do) in ("correct", "correct-here")
            made = correction(event, moments_of(self.studio.library, clip)) if asked else None
            updates |= self.watch.submit(self.corrected(clip, made))
        return updates

    def corrected(self, clip: Clip, made: Correction | None) -> FaceSwapRequest:
        """The request of a swapped clip with a correction more, or for None without any.

        Raises InvalidRequest when models have changed so that it would be another swap, ValidationError when there
        are too many corrections.
        """
        before = request_from(clip.request or {})
        assert isinstance(before, FaceSwapRequest)
        corrections = (*before.corrections, made) if made else ()
        # Not model_copy, which checks nothing: a clip with one correction too many could never be planned again.
        request = FaceSwapRequest.model_validate({**before.model_dump(), "corrections": corrections})
        then, now = swap_in(clip.node), swap_in(self.studio.recipes.of(request).root)
        if then is None or now is None or then.key != now.key:
            raise InvalidRequest("The models have changed since this swap.", "Swap again first, then correct.")
        return request

    def render(self, clip: Clip, job: Job | None) -> str:
        """The review as HTML."""
        if job is not None:
            line = escape(str(job.progress.get("text") or "Looking at the result."))
            return f'<h3 class="label">Review</h3><p class="quiet" role="status">{line}</p>'
        root = self._root(clip)
        if root is None:
            return self._offer(clip)
        try:
            review, moments = self._review(root), moments_of(self.studio.library, clip)
        except (DiffScalerError, OSError, StopIteration):
            log.warning("the review of %s cannot be shown", clip.key, exc_info=True)
            return ""
        if not review.tracks:
            nobody = "Nobody was found whose face could be replaced: the clip is as it was."
            return f'<h3 class="label">Review</h3><p class="quiet">{nobody}</p>'
        concerns = review.concerns()
        engines, masks = self._other_engines(clip), self._other_masks(clip)
        rows = "".join(self._row(concern, moments, engines, masks) for concern in concerns[:MOST])
        more = f"<li class='quiet'>{len(concerns) - MOST} more.</li>" if len(concerns) > MOST else ""
        listed = f'<ul class="concerns">{rows}{more}</ul>' if rows else '<p class="quiet">Nothing stands out.</p>'
        line = heat_line(review, moments) + here(engines | masks)
        return f'<h3 class="label">Review {self._undo(clip)}</h3>{line}{listed}{card(review)}'

    def _offer(self, clip: Clip) -> str:
        """A button for what is not done unasked, and why the last attempt came to nothing."""
        node = self._planned(clip)
        if node is None:
            return ""
        before = self._given_up(node)
        why = f'<p class="quiet">{escape(before.sentence)}</p>' if before is not None and before.sentence else ""
        return f'<h3 class="label">Review {pieces.do("review", "Review it", cls="link")}</h3>{why}'

    def _undo(self, clip: Clip) -> str:
        made = (clip.request or {}).get("corrections") or []
        many = f"{len(made)} correction{'s' if len(made) > 1 else ''}"
        return pieces.do("uncorrect", f"take back {many}", cls="link") if made else ""

    def _other_engines(self, clip: Clip) -> dict[str, str]:
        """What could draw the faces of a swapped clip, and did not."""
        request, swap = clip.request or {}, swap_in(clip.node)
        used = swap.params.get("engine", "builtin") if swap is not None else ""
        asked = request.get("redraw_model") or "", request.get("ip_adapter") or "", bool(request.get("commercial_only"))
        catalogue = self.studio.catalogue
        return {
            name: text for name, text in ENGINES.items() if name != used and engine_card(catalogue, name, *asked).ready
        }

    def _other_masks(self, clip: Clip) -> dict[str, str]:
        """What could tell what is in front of the faces in a swapped clip, and did not."""
        swap = swap_in(clip.node)
        used = swap.params.get("in_front") if swap is not None else None
        if used is None:  # a network that knows the face from one frame kept nothing in front then
            used = ["looks"] if swap is None or swap.params.get("engine") in ("builtin", "diffusion") else []
        safe = bool((clip.request or {}).get("commercial_only"))
        there = ["looks", *(name for name in KINDS if usable(self.studio.catalogue, name, safe))]
        return {name: text for name, text in MASKS.items() if name in there and [name] != list(used)}

    def _row(self, concern: Concern, moments: Moments, engines: dict[str, str], masks: dict[str, str]) -> str:
        from diffscaler.faceswap.review import UNPARSED

        start, stop = concern.start, concern.stop
        place = {"person": str(concern.track), "start": str(start), "stop": str(stop)}
        in_front = concern.what in ("something in front", UNPARSED)
        ways = REMEDIES | masks if in_front else {"skip": REMEDIES["skip"]} | engines
        buttons = "".join(pieces.do("correct", text, cls="link", how=how, **place) for how, text in ways.items())
        return (
            f'<li><button type="button" class="link at"{goes_to(start, moments)}>{span(start, stop, moments)}'
            f"</button> {escape(concern.what)} {buttons}</li>"
        )

    def _clip(self, state: dict[str, Any] | None) -> Clip | None:
        """The swapped clip on the monitor."""
        key = (state or {}).get("clip")
        try:
            clip = self.studio.library.clip(key) if key else None
        except DiffScalerError:
            return None
        return clip if clip is not None and (clip.request or {}).get("type") == "FaceSwapRequest" else None

    def _planned(self, clip: Clip) -> Node | None:
        """The node that reviews a clip, None when it cannot be reviewed."""
        try:
            return self.studio.recipes.of(ReviewSwapRequest(clip=clip.key)).root
        except DiffScalerError:
            return None

    def _root(self, clip: Clip) -> str | None:
        """The key of a clip's finished review."""
        node = self._planned(clip)
        return node.key if node is not None and self.studio.library.complete(node.key) else None

    def _review_now(self, key: str) -> Review:
        """A finished review, by its key."""
        from diffscaler.faceswap.review import Review

        chunks: Any = self.studio.library.read(key)
        return Review.read(chunks, self.studio.library.clip(key).meta.num_frames)

    def _cheap(self, clip: Clip) -> bool:
        """Whether a review is all that is missing, and none came to nothing: where the lossless frames were trimmed,
        the whole swap would run again."""
        node = self._planned(clip)
        return node is not None and missing(self.studio.library, node) == [node] and self._given_up(node) is None

    def _given_up(self, node: Node) -> Job | None:
        """The latest job for a review that failed or was stopped."""
        ended = (job for job in self.studio.queue.list(ended=True) if job.payload.get("key") == node.key)
        return next((job for job in ended if job.state != "done"), None)

    def _job(self, clip: str) -> Job | None:
        for job in self.studio.queue.list(ended=False):
            request = job.request or {}
            if request.get("type") == "ReviewSwapRequest" and request.get("clip") == clip:
                return job
        return None


def correction(event: gr.EventData, moments: Moments) -> Correction:
    """What a button beside a concern asks for, or for everyone one under the line of time. Raises InvalidRequest."""
    people = (int(event.person),) if str(getattr(event, "person", "")) else ()
    if str(event.do) == "correct-here":
        start, stop = moments.around(str(getattr(event, "at", "")))
    else:
        start, stop = int(event.start), int(event.stop)
    return Correction(start=start, stop=stop, people=people, how=str(event.how))  # type: ignore[arg-type]


def swap_in(root: Node) -> Node | None:
    """The last swap in a plan: what corrections and sharpening are made from."""
    return next((node for node in reversed(list(nodes(root))) if node.stage == "swap_face"), None)


def goes_to(frame: int, moments: Moments) -> str:
    """The attribute of a button that shows a frame."""
    return f' data-seek="{moments.middle(frame):.4f}"'


def here(others: dict[str, str]) -> str:
    """Buttons that correct the moment the monitor shows; the page writes it into data-at as one is pressed.

    others: engines and masks, as `ReviewPane._other_engines` and `_other_masks` give them
    """
    ways = REMEDIES_HERE | {how: f"{text} here" for how, text in others.items()}
    buttons = "".join(pieces.do("correct-here", text, cls="link", how=how, at="") for how, text in ways.items())
    return f'<p class="here">{buttons}</p>'


def heat_line(review: Review, moments: Moments) -> str:
    """The clip's time from left to right, redder the more there is to look at; a click goes there."""
    heat, total = review.heat(), max(1, review.num_frames)
    cells = min(CELLS, total)
    bars = []
    for cell in range(cells):
        first, last = cell * total // cells, max(cell * total // cells + 1, (cell + 1) * total // cells)
        worst = float(heat[first:last].max(initial=0))
        at = first + int(heat[first:last].argmax()) if worst else first
        level = min(3, math.ceil(worst))
        bars.append(
            f'<button type="button" class="h{level}"{goes_to(at, moments)} tabindex="-1"'
            f' title="{clock(moments.start(at))}" aria-label="{clock(moments.start(at))}"></button>'
        )
    return f'<div class="heat" role="group" aria-label="Where to look">{"".join(bars)}</div>'


def card(review: Review) -> str:
    """The quality card: what can be measured, in words and figures."""
    figures = review.card()
    entries = [
        ("frames with a new face", f"{figures['frames']:.0f} of {review.num_frames}"),
        ("left as they were", ", ".join(f"{count} {why}" for why, count in review.skipped().items()) or "none"),
        ("features off by", percent(figures["error"], " of the eye distance")),
        ("unsteadiness", versus(figures["jitter"], figures["jitter_was"])),
        ("flicker", times(figures["flicker"])),
        ("border", times(figures["seam"])),
        ("likeness", "no recogniser installed" if math.isnan(figures["likeness"]) else f"{figures['likeness']:.2f}"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in entries)
    return f'<dl class="quality">{rows}</dl>'


def percent(value: float, what: str) -> str:
    return "not measured" if math.isnan(value) else f"{100 * value:.1f} %{what}"


def versus(now: float, was: float) -> str:
    """ "1.2 %, before 1.4 %" of the eye distance."""
    if math.isnan(now) or math.isnan(was):
        return "not measured"
    return f"{100 * now:.1f} %, before {100 * was:.1f} %"


def times(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:.2f} times the original's"


def span(start: int, stop: int, moments: Moments) -> str:
    first, last = clock(moments.start(start)), clock(moments.start(stop - 1))
    return first if first == last else f"{first} to {last}"


def clock(seconds: float) -> str:
    """Minutes, seconds and hundredths: frames of 24 a second are told apart."""
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"
