"""Following a job from a page that may vanish: the job lives in the queue, the page only looks at it.

A tab remembers in the browser which job it follows and which clip it shows, so a reload finds both again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import gradio as gr
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.library.clips import Clip
from diffscaler.requests import Request
from diffscaler.studio import Studio
from diffscaler.wording import worded
from ui import monitor, pieces
from ui.pane import QUIET, pane
from ui.side_job import find_job

log = logging.getLogger("diffscaler.page")

# BrowserState encrypts with it; a random one would forget everything at each start of the server.
BROWSER_SECRET = "diffscaler-studio"
LOOK_S = 0.6

Show = Callable[[Clip], str]
Updates = dict[Any, Any]


def remembered(name: str, default: Any) -> gr.BrowserState:
    """A value that this browser keeps under `name`."""
    return gr.BrowserState(default, storage_key=f"diffscaler.{name}", secret=BROWSER_SECRET)


@contextmanager
def said(updates: Updates, pane: gr.HTML) -> Generator[None]:
    """Turns a failure inside the block into a sentence in `pane`; what is a bug goes to the log as well."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (DiffScalerError, ValidationError)):
            log.exception("in the page")
        updates[pane] = pieces.message(*worded(error))


def explained(error: Exception) -> str:
    """A failure as one line of text; what is a bug goes to the log as well."""
    if not isinstance(error, (DiffScalerError, ValidationError)):
        log.exception("in the page")
    return " ".join(worded(error)).strip()


class Watch:
    """The monitor of a tab, its primary button, and the job between them."""

    def __init__(self, studio: Studio, name: str, verb: str, invitation: str, show: Show | None = None) -> None:
        """name: of the tab; verb: on the primary button; show: a finished clip as HTML."""
        self.studio, self.name, self.verb, self.invitation = studio, name, verb, invitation
        self.show: Show = show or (lambda clip: monitor.of_clip(studio, clip))
        self.state = remembered(f"{name}.watch", {"job": None, "clip": None})
        self.timer = gr.Timer(LOOK_S, active=False)

    def screen(self) -> None:
        """Place the monitor here."""
        self.monitor = pane(monitor.empty(self.invitation), elem_classes=["monitor"], elem_id=f"{self.name}-monitor")

    def button(self, beside: Callable[[], None] = lambda: None) -> None:
        """Place the primary button here, with Stop in its place while a job runs, what it will need, and what went
        wrong: always in sight, however long the controls above it are. beside: places more under what it will need"""
        with gr.Column(elem_classes=["foot"]):
            self.go = gr.Button(self.verb, variant="primary", elem_id=f"{self.name}-go", elem_classes=["go"])
            self.stop = gr.Button("Stop", visible=False, elem_id=f"{self.name}-stop", elem_classes=["go", "stop"])
            self.needs = pane(elem_id=f"{self.name}-needs", elem_classes=["needs"])
            beside()
            self.said = pane(elem_id=f"{self.name}-said", elem_classes=["said"])

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.timer, self.monitor, self.go, self.stop, self.said]

    def wire(self) -> None:
        """Connect looking and stopping; call once everything is placed."""
        self.timer.tick(self.look, self.state, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        self.stop.click(self.on_stop, self.state, self.outputs, queue=False, **QUIET)

    def said_in(self, updates: Updates) -> AbstractContextManager[None]:
        """Failures inside the block become a sentence under the button."""
        return said(updates, self.said)

    def submit(self, request: Request) -> Updates:
        """Queue a request and follow it. Raises what Studio.submit raises."""
        return self.follow(self.studio.submit(request))

    def follow(self, job: Job) -> Updates:
        source = (job.request or {}).get("clip")
        return self.view({"job": job.id, "clip": None, "source": source}) | {self.said: ""}

    def showing(self, key: str) -> Updates:
        """Show a clip of the library, following no job."""
        source = (self.studio.library.clip(key).request or {}).get("clip")
        return self.view({"job": None, "clip": key, "source": source}) | {self.said: ""}

    def source(self, state: dict[str, Any], picked: list[str]) -> Updates:
        """Show the clip just picked to work on, unless a job runs or what is shown was made from it."""
        job = find_job(self.studio, state.get("job"))
        key = picked[0] if picked else None
        if (job is not None and not job.ended) or key == state.get("source"):
            return {self.state: gr.skip()}
        return self.view({"job": None, "clip": None, "source": key}) | {self.said: ""}

    def restore(self, state: dict[str, Any] | None) -> Updates:
        return self.view(state or {"job": None, "clip": None})

    def look(self, state: dict[str, Any]) -> Updates:
        """One look at the job: called by the timer while one is followed."""
        updates = self.view(state)
        if updates.get(self.state) == state:
            del updates[self.state]
        return updates

    def view(self, state: dict[str, Any]) -> Updates:
        """Everything the page shows for a state, which moves from its job to the clip once the job is done."""
        job = find_job(self.studio, state.get("job"))
        if job is not None and not job.ended:
            self.studio.keeper.ensure()
        if job is not None and job.state == "done":
            state, job = self.settled(state, job)
        running = job is not None and not job.ended
        return {
            self.state: state,
            self.timer: gr.Timer(active=running),
            self.monitor: self.of_job(job) if job else self._clip(state.get("clip"), state.get("source")),
            self.go: gr.Button(visible=not running),
            self.stop: gr.Button(visible=running, interactive=not (job and job.stop)),
        }

    def settled(self, state: dict[str, Any], job: Job) -> tuple[dict[str, Any], Job | None]:
        """The state after its job is done, and the job if it is still what the monitor shows."""
        return {**state, "job": None, "clip": job.result}, None

    def of_job(self, job: Job) -> str:
        """A job as HTML."""
        return monitor.of_job(self.studio, job)

    def on_stop(self, state: dict[str, Any]) -> Updates:
        if state.get("job"):
            self.studio.queue.stop(state["job"])
        return self.look(state)

    def _clip(self, key: str | None, source: str | None) -> str:
        """The finished clip, else the one it is to be made from, else what to do first."""
        for name, show in ((key, self.show), (source, lambda clip: monitor.of_source(self.studio, clip))):
            try:
                if name:
                    return show(self.studio.library.clip(name))
            except DiffScalerError:  # deleted since
                continue
        return monitor.empty(self.invitation)
