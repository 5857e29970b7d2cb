"""Data for training on the page: prepare a folder as a job, look through its shots, write captions, set limits."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from math import isclose
from pathlib import Path
from typing import Any

import gradio as gr

from diffscaler.datasets import changes, edits, manifest
from diffscaler.datasets.manifest import DatasetError, Manifest
from diffscaler.datasets.selection import Thresholds
from diffscaler.errors import InvalidRequest
from diffscaler.models.scorers import lacking
from diffscaler.studio import Studio
from ui import pieces, prepare_grid
from ui.pane import QUIET, pane
from ui.side_job import find_job, line_of
from ui.training_form import dataset_folder, footage_folder
from ui.watch import LOOK_S, Updates, remembered, said

#: (modified, nanoseconds; size, bytes) of a file.
Stamp = tuple[int, int]

NOTHING: dict[str, Any] = {"job": None, "set": "", "page": 0}

#: What `python -m training make` draws -> its button; so many clips each.
DRAWN = {"shapes": "Moving shapes", "digits": "Moving digits", "scenes": "Scenes"}
DRAWN_CLIPS = 300

#: Field of Thresholds -> (label, unit in the tooltip, least, most, step, whether most means no limit).
LIMITS: dict[str, tuple[str, str, float, float, float, bool]] = {
    "motion_min": ("Moves at least", "per cent of the picture's side a second", 0, 20, 0.1, False),
    "motion_max": ("Moves at most", "per cent of the picture's side a second; right end: no limit", 0, 200, 1, True),
    "sharpness_min": ("Sharpness at least", "variance of the Laplacian", 0, 1000, 5, False),
    "text_max": ("Writing at most", "per cent of the picture; right end: no limit", 0, 100, 1, True),
    "clip_min": ("Fits its caption at least", "CLIP score, 100 × cosine", 0, 40, 0.5, False),
    "aesthetics_min": ("Aesthetics at least", "LAION's rating, 1 to 10", 0, 10, 0.1, False),
    "seconds_min": ("Seconds at least", "length of a shot", 0, 10, 0.1, False),
    "seconds_max": ("Seconds at most", "length of a shot; right end: no limit", 0, 120, 1, True),
}


#: Limits on what a network scores -> the field of Scores: their sliders are there where it is, or they are set.
SCORED = {"clip_min": "clip", "aesthetics_min": "aesthetics"}

#: What became of a job that was stopped.
STOPPED = "What is done is kept: Prepare goes on from there."


class PreparePane:
    """What stands beside the training form: Prepare, its progress, and the grid of what was found."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.state = remembered("training.data", NOTHING)
        self.timer = gr.Timer(LOOK_S, active=False)
        self._read = lru_cache(maxsize=4)(self._read_now)
        self._written = lru_cache(maxsize=4)(self._written_now)

    def place_controls(self) -> None:
        """Place the button and its progress here."""
        self.go = gr.Button("Prepare", elem_id="prepare-go", size="sm")
        self.stop = gr.Button("Stop preparing", visible=False, elem_id="prepare-stop", size="sm")
        self.said = pane(elem_id="prepare-said", elem_classes=["said"])
        with gr.Accordion("Data the program draws", open=False), gr.Row(elem_classes=["fields"]):
            self.draw = {
                kind: gr.Button(label, size="sm", elem_id=f"prepare-draw-{kind}", min_width=90)
                for kind, label in DRAWN.items()
            }

    def place_grid(self) -> None:
        """Place the grid here; there is nothing of it before a folder was prepared."""
        with gr.Column(visible=False, elem_id="prepare", elem_classes=["prepare"]) as self.column:
            self.head = pane(elem_id="prepare-head")
            with gr.Accordion("Limits", open=False), gr.Row(elem_classes=["fields"]):
                self.sliders = {
                    name: gr.Slider(
                        least,
                        most,
                        stands_at(name, Thresholds()),
                        step=step,
                        label=label,
                        info=unit,
                        elem_id=f"prepare-{name}",
                        visible=name not in SCORED,
                    )
                    for name, (label, unit, least, most, step, _) in LIMITS.items()
                }
                self.stills = gr.Checkbox(label="Keep stills", elem_id="prepare-stills")
                self.twice = gr.Checkbox(label="Keep what was seen before", elem_id="prepare-duplicates")
            self.grid = pane(elem_id="prepare-grid")

    @property
    def limits(self) -> list[Any]:
        return [*self.sliders.values(), self.stills, self.twice]

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.timer, self.go, self.stop, self.said, self.column, self.head, self.grid, *self.limits]

    def wire(self, page: gr.Blocks, name: Any, folder: Any) -> None:
        """name, folder: the training form's controls; the folder is set to the data set by "Use this data"."""
        self.source = folder
        out = [*self.outputs, folder]
        self.go.click(self.on_prepare, [self.state, name, folder], out, **QUIET)
        for kind, button in self.draw.items():
            button.click(partial(self.on_draw, kind), self.state, out, **QUIET)
        self.stop.click(self.on_stop, self.state, out, queue=False, **QUIET)
        self.timer.tick(self.look, self.state, self.outputs, trigger_mode="once", concurrency_limit=None, **QUIET)
        for shown in (self.head, self.grid):
            shown.click(self.on_click, self.state, out, **QUIET)
        for slider in self.sliders.values():
            # While it is dragged the cards grey; when it is let go the limit is kept.
            slider.input(
                self.on_limits, [self.state, *self.limits], [self.head, self.grid], trigger_mode="always_last", **QUIET
            )
            slider.release(self.on_keep, [self.state, *self.limits], self.outputs, **QUIET)
        for box in (self.stills, self.twice):
            box.input(self.on_keep, [self.state, *self.limits], self.outputs, **QUIET)
        page.load(self.show, self.state, self.outputs, **QUIET)

    def on_prepare(self, state: dict[str, Any] | None, name: str, folder: str) -> Updates:
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            source = footage_folder(self.studio.settings, name, folder)
            target = dataset_folder(self.studio.settings, source)
            return self._submit(f"Prepare {source.name}", ["prepare", str(source)], target)
        return updates

    def on_draw(self, kind: str, state: dict[str, Any] | None) -> Updates:
        """Draw clips whose captions say what the pixels show."""
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            target = self.studio.settings.datasets_dir / f"drawn-{kind}"
            return self._submit(f"Draw {DRAWN[kind].lower()}", ["make", kind, "--count", str(DRAWN_CLIPS)], target)
        return updates

    def _submit(self, title: str, arguments: list[str], target: Path) -> Updates:
        job = self.studio.queue.submit_prepare(title, [*arguments, "-o", str(target)], target)
        self.studio.keeper.ensure()
        return self.show({"job": job.id, "set": target.name, "page": 0})

    def on_stop(self, state: dict[str, Any] | None) -> Updates:
        state = NOTHING | (state or {})
        if state["job"]:
            self.studio.queue.stop(state["job"])
        return self.look(state)

    def look(self, state: dict[str, Any] | None) -> Updates:
        """One look at the job. While it runs the sliders stay as they are: somebody may be dragging one."""
        updates = self.show(state)
        job = find_job(self.studio, (state or NOTHING)["job"])
        if job is None or job.ended:
            return updates
        return {part: update for part, update in updates.items() if part not in self.limits}

    def show(self, state: dict[str, Any] | None) -> Updates:
        """Everything for a state: the job's progress, and the grid as far as it goes.

        A browser that has seen none yet is shown the data set prepared last.
        """
        state = NOTHING | (state or {})
        state["set"] = state["set"] or self._latest()
        job = find_job(self.studio, state["job"])
        running = job is not None and not job.ended
        updates: Updates = {
            self.state: state,
            self.timer: gr.Timer(active=running),
            self.go: gr.Button(visible=not running),
            self.stop: gr.Button(visible=running, interactive=not (job and job.stop)),
            self.said: line_of(self.studio, job, STOPPED),
        }
        if running:
            self.studio.keeper.ensure()
        try:
            made = self._made(state)
        except DatasetError:
            return updates | {self.column: gr.Column(visible=False)}
        return updates | self._grid(state, made, made.thresholds) | self._sliders(made)

    def on_limits(self, state: dict[str, Any] | None, *values: Any) -> Updates:
        """The grid as the sliders stand, before they are let go."""
        state = NOTHING | (state or {})
        try:
            made = self._made(state)
        except DatasetError:
            return {self.head: gr.skip()}
        shown = self._grid(state, made, self._thresholds(made.thresholds, values))
        return {part: shown[part] for part in (self.head, self.grid)}

    def on_keep(self, state: dict[str, Any] | None, *values: Any) -> Updates:
        state = NOTHING | (state or {})
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            at = self._thresholds(self._made(state).thresholds, values)
            edits.set_thresholds(self._folder(state), at, self._made(state))
            return self.look(state)
        return updates

    def on_click(self, state: dict[str, Any] | None, event: gr.EventData) -> Updates:
        """A verb of the grid: turn the page, leave out or let in, a caption, use it all."""
        state = NOTHING | (state or {})
        verb, key = str(event.do), str(getattr(event, "key", ""))
        updates: Updates = {self.said: ""}
        with said(updates, self.said):
            if verb == "caption":
                text = str(getattr(event, "value", ""))
                made = edits.caption_shot(self._folder(state), key, text, self._made(state))
                # The cards stay: somebody may be writing in the next one already.
                return updates | {self.head: self._head(state, made, made.thresholds)}
            if verb == "page":
                state["page"] = max(0, int(event.to))
            elif verb in ("out", "in"):
                edits.leave_out(self._folder(state), key, verb == "out", self._made(state))
            elif verb == "use":
                note = pieces.message(f"The next run learns from {state['set']}.", "Press Train when you like.", "info")
                return {self.source: str(self._folder(state)), self.said: note}
            return self.look(state)
        return updates

    def _grid(self, state: dict[str, Any], made: Manifest, at: Thresholds) -> Updates:
        return {
            self.column: gr.Column(visible=True),
            self.head: self._head(state, made, at),
            self.grid: prepare_grid.cards(self._folder(state), made, at, int(state["page"])),
        }

    def _head(self, state: dict[str, Any], made: Manifest, at: Thresholds) -> str:
        # What the program draws has captions that are true.
        drawn = Path(made.folder).is_relative_to(self._folder(state))
        return prepare_grid.head(
            state["set"], made, at, "" if drawn else lacking(self.studio.catalogue, made.scorers)
        )  # fmt: skip

    def _sliders(self, made: Manifest) -> Updates:
        at = made.thresholds
        values: Updates = {self.stills: at.stills, self.twice: at.duplicates}
        values |= {slider: stands_at(name, at) for name, slider in self.sliders.items()}
        for name, score in SCORED.items():
            # A limit somebody set can be lifted, whether or not there are scores it applies to.
            there = score in made.scorers or getattr(at, name) is not None
            values[self.sliders[name]] = gr.Slider(value=stands_at(name, at), visible=there)
        return values

    def _thresholds(self, at: Thresholds, values: tuple[Any, ...]) -> Thresholds:
        """Limits as the sliders stand; those without a slider stay, and those whose slider nobody moved.

        at: the limits that the sliders were shown for; --limit sets ones beyond a slider's ends too
        """
        found: dict[str, Any] = {}
        for name, value in zip(LIMITS, values, strict=False):
            if isclose(value, stands_at(name, at)):
                continue
            least, most, endless = LIMITS[name][2], LIMITS[name][3], LIMITS[name][5]
            free = value >= most if endless else value <= least
            found[name] = None if free else float(value) / (100 if name == "text_max" else 1)
        return replace(at, **found, stills=bool(values[-2]), duplicates=bool(values[-1]))

    def _folder(self, state: dict[str, Any]) -> Path:
        name = str(state["set"])
        if name in ("", ".", "..") or name != Path(name).name:
            raise InvalidRequest("There is no data set yet.", "Name a folder and press Prepare.")
        return self.studio.settings.datasets_dir / name

    def _latest(self) -> str:
        """The name of the data set written last, "" for none."""
        found = self.studio.settings.datasets_dir.glob(f"*/{manifest.NAME}")
        return max(((path.stat().st_mtime, path.parent.name) for path in found), default=(0.0, ""))[1]

    def _made(self, state: dict[str, Any]) -> Manifest:
        """The data set of a state, read again only where it has changed. Raises DatasetError."""
        try:
            folder = self._folder(state)
            stamp = stamp_of(folder / manifest.NAME)
        except (OSError, InvalidRequest) as error:
            raise DatasetError("It has not been prepared yet.", "Press Prepare.") from error
        try:
            return self._read(folder, stamp, stamp_of(folder / changes.NAME))
        except FileNotFoundError:
            return self._read(folder, stamp, None)

    def _read_now(self, folder: Path, written: Stamp, changed: Stamp | None) -> Manifest:
        lines = changes.read_changes(folder)  # before the manifest, which they may go into meanwhile
        return changes.with_changes(self._written(folder, written), lines)

    def _written_now(self, folder: Path, written: Stamp) -> Manifest:
        return manifest.read_written(folder)


def stamp_of(path: Path) -> Stamp:
    """What changes when a file does. Raises OSError."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def stands_at(name: str, at: Thresholds) -> float:
    """Where the slider of a limit stands; no limit is one of its ends."""
    _, _, least, most, _, endless = LIMITS[name]
    value = getattr(at, name)
    if value is None:
        return most if endless else least
    return min(most, max(least, value * (100 if name == "text_max" else 1)))
