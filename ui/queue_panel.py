"""The strip under every tab: what runs, what waits, what ended lately, and who works."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import KINDS, lane_of
from diffscaler.models.device import describe_without_torch
from diffscaler.studio import Studio
from ui import pieces
from ui.monitor import saying
from ui.pane import QUIET, pane
from ui.pictures import poster_url, preview_url
from ui.watch import Updates

LOOK_S = 1.0
ENDED_SHOWN = 6
#: A film queues hundreds of shots; the strip tells of the next ones and counts the rest.
WAITING_SHOWN = 8

#: Kinds of jobs whose result is no clip and no run.
UNSHOWN = ("model", "prepare", "measure")

WORDS = {"running": "running", "queued": "waiting", "done": "done", "failed": "failed", "stopped": "stopped"}


class QueuePanel:
    """One per page. It only looks; its buttons are carried out in acts.py."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.status = gr.HTML(self.status_line(), elem_id="status")
        #: Changes when a download or a training begins or ends: there may be other models then.
        self.models = gr.State("")

    def place(self) -> None:
        self.pane = pane(elem_id="queue")
        self.timer = gr.Timer(LOOK_S)

    @property
    def outputs(self) -> list[Any]:
        return [self.pane, self.status, self.models]

    def wire(self, page: gr.Blocks) -> None:
        self.timer.tick(self.look, None, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        page.load(self.look, None, self.outputs, **QUIET)

    def look(self) -> Updates:
        """Everything that this panel shows and tells, as it is now."""
        jobs = self.studio.queue.list(ended=False, limit=WAITING_SHOWN)
        ended = self.studio.queue.list(ended=True, limit=10 * ENDED_SHOWN)
        ended = [job for job in ended if job.state != "done" or not job.looks_up][:ENDED_SHOWN]
        makers = [f"{job.id}:{job.ended}" for job in (*jobs, *ended) if job.kind != "plan"]
        return {
            self.pane: self.strip(jobs, ended),
            self.status: self.status_line(),
            self.models: " ".join(sorted(makers)),
        }

    def strip(self, jobs: list[Job], ended: list[Job]) -> str:
        """The jobs that wait or run, and those that ended lately."""
        # A job is moved among those it waits with.
        waiting = {
            lane: [job.id for job in jobs if job.state == "queued" and job.kind in KINDS[lane]] for lane in KINDS
        }
        cards = [self.card(job, waiting[lane_of(job.kind)]) for job in jobs]
        if (more := self.studio.queue.count() - len(jobs)) > 0:
            cards.append(f'<p class="quiet">and {more} more wait.</p>')
        cards += [self.card(job, waiting[lane_of(job.kind)]) for job in ended]
        for keeper in (self.studio.fetcher, self.studio.keeper):
            if trouble := keeper.trouble():
                cards.insert(0, pieces.message(trouble.message, trouble.hint))
        inside = "".join(cards) or '<p class="quiet">Nothing is running. Jobs go on when this page is closed.</p>'
        return f'<div class="queue" role="region" aria-label="Queue"><span class="sc">queue</span>{inside}</div>'

    def card(self, job: Job, waiting: list[str]) -> str:
        picture = self.picture(job)
        image = f'<img src="{picture}" alt="">' if picture else '<span class="blank"></span>'
        line = escape(saying(self.studio, job) if not job.ended else job.sentence or WORDS[job.state])
        fraction = float(job.progress.get("fraction", 0)) if job.state == "running" else 0.0
        progress = pieces.bar(fraction, job.title) if job.state == "running" else ""
        title = escape(job.title)
        return (
            f'<article class="job {job.state}" id="job-{job.id}">{image}<div><b title="{title}">{title}</b>'
            f"<span>{line}</span>{progress}</div><nav>{self.buttons(job, waiting)}</nav></article>"
        )

    def buttons(self, job: Job, waiting: list[str]) -> str:
        def button(verb: str, label: str, title: str) -> str:
            return pieces.do(verb, label, title=title, key=job.id)

        if job.state == "running":
            # A download has no picture to show.
            show = "" if job.kind in UNSHOWN or job.looks_up else button("open", "Show", "Show it in its tab")
            return show + button("stop", "Stop", "Stop; what is finished is kept")
        if job.state == "queued":
            up = button("up", "↑", "Move up") if job.id != waiting[0] else ""
            down = button("down", "↓", "Move down") if job.id != waiting[-1] else ""
            return up + down + button("stop", "×", "Take out of the queue")
        first = (
            ("" if job.kind in UNSHOWN else button("open", "Show", "Show the result"))
            if job.state == "done"
            else button("retry", "Retry", "Continue it")
        )
        return first + button("forget", "×", "Take off this strip; the clip stays in the library")

    def picture(self, job: Job) -> str | None:
        if job.kind == "plan" and job.result:
            try:
                return poster_url(self.studio, self.studio.library.clip(job.result))
            except DiffScalerError:
                return None
        if preview := preview_url(self.studio, job.id):
            return preview
        key = (job.request or {}).get("clip")
        try:
            return poster_url(self.studio, self.studio.library.clip(str(key))) if key else None
        except DiffScalerError:
            return None

    def status_line(self) -> str:
        """Who works, and how much there is to do."""
        workers = self.studio.queue.workers("device")
        device = workers[0]["device"] if workers else describe_without_torch()
        resident = ", ".join(workers[0]["resident"]) if workers else ""
        waiting = self.studio.queue.count()
        state = "on" if workers else "off"
        tip = (
            (f"In memory: {resident}" if resident else "No model in memory")
            if workers
            else "The worker starts with the first job"
        )
        name = describe_without_torch() if device == "starting" else device
        return (
            f'<p class="status" title="{escape(tip)}"><i class="{state}"></i>{escape(name)}'
            f'<span class="sc">queue {waiting}</span></p>'
        )
