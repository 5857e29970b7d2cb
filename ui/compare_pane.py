"""A tuned model beside the one it was tuned from: the same prompt and the same seeds, drawn by both, in step."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.requests import Text2VideoRequest
from diffscaler.studio import Studio
from ui import monitor, pieces
from ui.controls import control, filled
from ui.pane import QUIET, pane
from ui.tuned import tuned_model, tuned_models
from ui.watch import LOOK_S, Updates, remembered, said
from ui.wipe import compared

#: jobs: (of the base, of the tuned model) for each seed; names: what stands on the two
NOTHING: dict[str, Any] = {"jobs": [], "names": ["", ""]}

MOST_SEEDS = 4


class ComparePane:
    """Place it with `place`; there is nothing of it before a model was trained from another one."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.state = remembered("training.compare", NOTHING)
        self.timer = gr.Timer(LOOK_S, active=False)

    def place(self) -> None:
        with gr.Column(visible=False, elem_id="compare", elem_classes=["prepare"]) as self.column:
            gr.HTML('<h2>Before and after training</h2><p class="quiet">The same prompt and seeds, drawn by both.</p>')
            with gr.Row(elem_classes=["fields"]):
                self.model = gr.Dropdown([], label="Tuned model", elem_id="compare-model")
                self.prompt = control(
                    Text2VideoRequest, "prompt", info=None, elem_id="compare-prompt", placeholder="a cat on a road"
                )
            with gr.Row(elem_classes=["fields"]):
                self.seed = control(Text2VideoRequest, "seed", label="First seed", info=None, elem_id="compare-seed")
                self.count = gr.Slider(1, MOST_SEEDS, 2, step=1, label="Seeds", elem_id="compare-count")
            self.go = gr.Button("Compare", elem_id="compare-go", size="sm")
            self.stop = gr.Button("Stop comparing", visible=False, elem_id="compare-stop", size="sm")
            self.said = pane(elem_id="compare-said", elem_classes=["said"])
            self.clips = pane(elem_id="compare-clips", elem_classes=["monitor"])

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.timer, self.go, self.stop, self.said, self.clips]

    def wire(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """tab: the one it is in; each time it is opened the models are looked for again"""
        asked = {"model": self.model, "prompt": self.prompt, "seed": self.seed, "count": self.count}
        self.go.click(self.on_compare, inputs_kwargs=asked, outputs=self.outputs, **QUIET)
        self.stop.click(self.on_stop, self.state, self.outputs, queue=False, **QUIET)
        self.timer.tick(self.look, self.state, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        page.load(self.look, self.state, self.outputs, **QUIET)
        gr.on([page.load, tab.select], self.refresh, self.model, [self.column, self.model], **QUIET)

    def refresh(self, chosen: str | None = None) -> Updates:
        """The tuned models as they are now."""
        choices = [
            (f"{tuned.made.title} (from {tuned.base.title})", tuned.made.name) for tuned in tuned_models(self.studio)
        ]
        names = [name for _, name in choices]
        value = chosen if chosen in names else next(iter(names), None)
        return {
            self.column: gr.Column(visible=bool(choices)),
            self.model: gr.Dropdown(choices=choices, value=value),
        }

    def on_compare(self, model: str | None, prompt: str, seed: str | None, count: int) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            tuned = tuned_model(self.studio, model or "")
            # The request reads the seed's text, and words what is wrong with it.
            asked = Text2VideoRequest(**filled({"prompt": prompt, "seed": seed}))
            pairs = tuned.requests(asked.prompt, asked.seed, int(count))
            recipes = [[self.studio.recipe(request) for request in pair] for pair in pairs]
            jobs = [[self.studio.submit_recipe(recipe).id for recipe in pair] for pair in recipes]
            updates |= self.look({"jobs": jobs, "names": [tuned.base.title, tuned.made.title]})
        return updates

    def on_stop(self, state: dict[str, Any] | None) -> Updates:
        for pair in (state or NOTHING)["jobs"]:
            for job_id in pair:
                self.studio.queue.stop(job_id)
        return self.look(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        """Everything it shows of a state; jobs whose history is gone are left out."""
        state = NOTHING | (state or {})
        pairs = [pair for ids in state["jobs"] if (pair := self._jobs(ids))]
        running = [job for pair in pairs for job in pair if not job.ended]
        if running:
            self.studio.keeper.ensure()
        names = (str(state["names"][0]), str(state["names"][1]))
        return {
            self.state: state,
            self.timer: gr.Timer(active=bool(running)),
            self.go: gr.Button(visible=not running),
            self.stop: gr.Button(visible=bool(running), interactive=not all(job.stop for job in running)),
            self.clips: "".join(self._pair(before, after, names) for before, after in pairs),
        }

    def _jobs(self, ids: list[str]) -> tuple[Job, Job] | None:
        try:
            before, after = (self.studio.queue.get(job_id) for job_id in ids)
        except InvalidRequest:
            return None
        return before, after

    def _pair(self, before: Job, after: Job, names: tuple[str, str]) -> str:
        seed = escape(str((after.request or {}).get("seed", "")))
        head = f'<p class="facts"><span>seed {seed}</span></p>'
        if before.state == after.state == "done":
            try:
                clips = [self.studio.library.clip(job.result or "") for job in (before, after)]
            except DiffScalerError as error:  # deleted since
                return head + pieces.message(error.message, error.hint, "info")
            return f'{head}<div class="screen">{compared(self.studio, *clips, wipe=False, names=names)}</div>'
        return head + "".join(self._line(job, name) for job, name in zip((before, after), names, strict=True))

    def _line(self, job: Job, name: str) -> str:
        """A job that has not made its clip, or waits for the other one."""
        told = f'<p class="quiet">{escape(name)}</p>'
        if job.state == "done":
            return told + pieces.message("Drawn.", "", "info")
        if job.ended:
            return told + pieces.message(job.sentence or "Stopped.", job.hint or "Compare goes on from there.", "info")
        fraction = float(job.progress.get("fraction", 0.0)) if job.state == "running" else 0.0
        return told + monitor.progress_line(self.studio, job, fraction)
