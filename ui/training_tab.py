"""The Training tab: its controls, the run it follows, and its wiring."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.studio import Studio
from ui import monitor, pieces, run_facts
from ui.compare_pane import ComparePane
from ui.controls import control, filled
from ui.curve import loss_curve
from ui.measure_pane import MeasurePane
from ui.pane import QUIET
from ui.prepare_pane import PreparePane
from ui.recipe_forms import recipe_forms
from ui.recipe_pane import RecipePane
from ui.run_file import Table, merged, read
from ui.run_outlook import outlook
from ui.training_events import RunSoFar, read_run
from ui.training_form import TrainRequest, folders, keep_dropped
from ui.training_table import draft_of, table_of, write_config
from ui.watch import Updates, Watch

KIND = "training"


class TrainingWatch(Watch):
    """Follows a run by the trainer's own events: they tell more than the queue, and stay when the job is done."""

    def settled(self, state: dict[str, Any], job: Job) -> tuple[dict[str, Any], Job | None]:
        return state, job

    def of_job(self, job: Job) -> str:
        run = read_run(Path(job.payload["output_dir"]))
        fraction = float(job.progress.get("fraction", 1.0 if job.state == "done" else 0.0))
        if job.state == "done":
            line = self.finished(job, place_of(run))
        elif job.ended:
            kind = "info" if job.state == "stopped" else "error"
            why = pieces.message(job.sentence or "Stopped.", job.hint or "The last checkpoint is kept.", kind)
            line = why + f'<div class="verbs">{pieces.do("retry", "Resume", key=job.id)}</div>'
        else:
            line = monitor.progress_line(self.studio, job, fraction)
        return (
            f'<div class="screen chart">{loss_curve(run)}</div><div class="under"><h2>{escape(job.title)}</h2>{line}'
            f"{run_facts.figures(run, not job.ended)}{run_facts.warnings(run)}"
            f'<div class="samples">{run_facts.samples(run)}</div></div>'
        )

    def finished(self, job: Job, place: str) -> str:
        """What was made, where it is, and what can be done with it."""
        output = Path(job.payload["output_dir"])
        name = escape(output.name)
        if not self.studio.queue.is_latest(job):
            return f'<p class="facts"><span>{name} was trained again since.</span></p>'
        if not output.is_dir():
            return f'<p class="facts"><span>{name} was deleted.</span></p>'
        draws = any(spec.name == output.name for spec in self.studio.catalogue.specs("text2video"))
        verbs = pieces.do("draw", "Draw with it", key=output.name) if draws else ""
        verbs += pieces.do(
            "erase", "Delete", key=job.id, confirm=f"Delete {output.name}, its checkpoints, samples and log?"
        )
        where = escape(str(output / "model"))
        return (
            f'<p class="facts"><span>{name} is in {place}.</span><span title="{where}">Its folder: {where}</span></p>'
            f'<div class="verbs">{verbs}</div>'
        )


def place_of(run: RunSoFar) -> str:
    """Where the result of a run is found, as its recipe says."""
    recipe = str(run.about.get("recipe", "")) or (run.points[-1][2] if run.points else "")
    try:
        form = recipe_forms().get(recipe)
    except DiffScalerError:  # said where recipes are chosen
        form = None
    return form.found_in if form else "its folder"


class TrainingTab:
    """Teaches the built-in model a look, and shows it learn."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.prepare = PreparePane(studio)
        self.compare = ComparePane(studio)
        self.measure = MeasurePane(studio)
        self.form = RecipePane(studio)
        self.watch = TrainingWatch(
            studio, KIND, "Train", "Give it clips of a look or a subject; it draws more of them."
        )

    def place(self) -> None:
        """Place the tab here."""
        with gr.Tab("Training", id=KIND) as self.tab, gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["side"]):
                name = control(TrainRequest, "name", placeholder="rainy-streets")
                self.drop = gr.File(
                    label="Clips, each with a .txt caption of the same name", file_count="multiple", height=84,
                    elem_id="training-drop", elem_classes=["drop"],
                )  # fmt: skip
                self.dropped = gr.HTML("")
                self.form.place_recipe(name)
                self.form.place_folder()
                self.prepare.place_controls()
                self.form.place_rest()
                self.watch.button(self.measure.place)
            with gr.Column(elem_classes=["view"]):
                self.watch.screen()
                self.compare.place()
                self.prepare.place_grid()
        self.fields = self.form.fields

    def wire(self, page: gr.Blocks) -> None:
        self.watch.wire()
        self.prepare.wire(page, self.fields["name"], self.fields["folder"])
        self.form.wire(page)
        self.compare.wire(page, self.tab)
        asked = {**self.fields, "text": self.form.text, "before": self.form.before}
        gr.on(
            [self.fields["recipe"].change, self.fields["base"].change, self.form.text.blur, page.load]
            + [self.measure.ended.change]
            + [self.fields[role].blur for role in ("steps", "size", "num_frames")],
            self.on_outlook, inputs_kwargs=asked, outputs=self.watch.needs, trigger_mode="always_last", **QUIET,
        )  # fmt: skip
        self.measure.wire(page, asked, self.table_to_measure)
        self.watch.go.click(self.on_train, inputs_kwargs=asked, outputs=self.watch.outputs, **QUIET)
        self.drop.upload(self.on_drop, [self.drop, self.fields["name"]], [self.drop, self.dropped], **QUIET)
        page.load(self.restore, self.watch.state, self.watch.outputs, **QUIET)

    def on_train(self, text: str | None = "", before: Table | None = None, **values: Any) -> Updates:
        updates: Updates = {self.watch.said: ""}
        with self.watch.said_in(updates):
            request = TrainRequest(**filled(values))
            self.studio.queue.check_training(folders(self.studio.settings, request.name)[1])
            config, output = write_config(request, self.studio.settings, text or "", before)
            job = self.studio.queue.submit_training(f"Train {request.name}", config, output)
            self.studio.keeper.ensure()
            updates |= self.watch.follow(job)
        return updates

    def on_outlook(self, text: str | None = "", before: Table | None = None, **values: Any) -> str:
        """What the run will take, as far as the form goes."""
        try:
            table = draft_of(values, self.studio.settings)
            edited = read(text) if text and before else {}
            same = edited.get("recipe") == values["recipe"]
            return outlook(merged(table, before or {}, edited) if same else table, self.studio.settings)
        except DiffScalerError:  # said beside the text, or when the run is started
            return ""

    def keep_models(self, models: gr.State) -> None:
        """Look for tuned models to compare again when a run has ended."""
        models.change(self.compare.refresh, self.compare.model, [self.compare.column, self.compare.model], **QUIET)

    def table_to_measure(self, text: str | None = "", before: Table | None = None, **values: Any) -> Table:
        """The configuration of the run as it would start, but for its name, which it may not have yet. Raises
        InvalidRequest and ValidationError."""
        request = TrainRequest(**{"name": "new", **filled(values)})
        table = table_of(request, self.studio.settings)
        edited = read(text) if text and text.strip() and before else {}
        if edited.get("recipe") == request.recipe:
            table = merged(table, before or {}, edited)
        # Measured beside the models, where every forecast of the same settings finds it.
        return table | {"output_dir": folders(self.studio.settings, "new")[1].as_posix()}

    def on_drop(self, files: list[str], name: str) -> Updates:
        if not (name or "").strip():
            return {
                self.drop: None,
                self.dropped: pieces.message("The name is missing.", "Name the model first, then drop its clips."),
            }
        count = keep_dropped([Path(file) for file in files or []], self.studio.settings, name)
        return {self.drop: None, self.dropped: f'<p class="quiet">{count} clips to learn from.</p>'}

    def restore(self, state: dict[str, Any] | None) -> Updates:
        """What this browser followed, else the run in the queue, whoever started it."""
        followed = (state or {}).get("job")
        try:
            if followed:
                self.studio.queue.get(followed)
        except DiffScalerError:
            followed = None
        if not followed:
            followed = next((job.id for job in self.studio.queue.list(ended=False) if job.kind == "train"), None)
        return self.watch.view({"job": followed, "clip": None})
