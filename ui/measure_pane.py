"""Measure here: throw-away steps of the run that the form asks for, as a job, beside its forecast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import InvalidRequest
from diffscaler.studio import Studio
from ui.pane import QUIET, pane
from ui.recipe_forms import mistake_in
from ui.run_file import Table, written
from ui.side_job import find_job, line_of
from ui.training_form import folders
from ui.training_table import form_of
from ui.watch import LOOK_S, Updates, remembered, said

#: Where its configurations and logs lie, among those of runs; no model is called so.
FOLDER = ".measure"

#: What became of a job that was stopped.
STOPPED = "Nothing was kept of it."


class MeasurePane:
    """A button, Stop in its place while it measures, and a line about it."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.state = remembered("training.measure", {"job": None})
        self.timer = gr.Timer(LOOK_S, active=False)
        #: The measuring that ended last: the forecast has to be told anew when it changes.
        self.ended = gr.State("")

    def place(self) -> None:
        """Place it here."""
        self.go = gr.Button("Measure here", elem_id="measure-go", size="sm")
        self.stop = gr.Button("Stop measuring", visible=False, elem_id="measure-stop", size="sm")
        self.said = pane(elem_id="measure-said", elem_classes=["said"])

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.timer, self.ended, self.go, self.stop, self.said]

    def wire(self, page: gr.Blocks, asked: dict[str, Any], table_of: Callable[..., Table]) -> None:
        """asked: the form's controls; table_of: from their values to the configuration. Raises what it raises."""
        self.table_of = table_of
        self.go.click(self.on_measure, inputs_kwargs=asked, outputs=self.outputs, **QUIET)
        self.stop.click(self.on_stop, self.state, self.outputs, queue=False, **QUIET)
        self.timer.tick(self.look, self.state, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        page.load(self.look, self.state, self.outputs, **QUIET)

    def on_measure(self, **values: Any) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            table = self.table_of(**values)
            job = self.studio.queue.submit_measure(f"Measure {table['recipe']}", self.written(table))
            self.studio.keeper.ensure()
            updates |= self.look({"job": job.id})
        return updates

    def written(self, table: Table) -> Path:
        """The configuration in a folder of its own, the same for the same settings. Raises InvalidRequest."""
        text = written(form_of(str(table["recipe"])), table)
        home = folders(self.studio.settings, "new")[0].parent / FOLDER / hashlib.sha256(text.encode()).hexdigest()[:12]
        home.mkdir(parents=True, exist_ok=True)
        file = home / "run.toml"
        file.write_text(text, encoding="utf-8")
        if mistake := mistake_in(file):
            raise InvalidRequest(mistake, "Change it in the form, or under Every option.")
        return file

    def on_stop(self, state: dict[str, Any] | None) -> Updates:
        if state and state.get("job"):
            self.studio.queue.stop(state["job"])
        return self.look(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        """Everything for a state: how far its job is, or how it ended."""
        state = state or {"job": None}
        job = find_job(self.studio, state.get("job"))
        running = job is not None and not job.ended
        if running:
            self.studio.keeper.ensure()
        return {
            self.state: state,
            self.timer: gr.Timer(active=running),
            self.ended: job.id if job and job.state == "done" else gr.skip(),
            self.go: gr.Button(visible=not running),
            self.stop: gr.Button(visible=running, interactive=not (job and job.stop)),
            self.said: line_of(self.studio, job, STOPPED),
        }
