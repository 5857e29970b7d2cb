"""Measure here: a job of its own that the forecast of the page waits for, without a browser."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from diffscaler.jobs.job import ENDED
from diffscaler.jobs.lanes import KINDS
from diffscaler.jobs.run_measure import measure_progress
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.training.tuning import write_clip
from ui.run_file import read, written
from ui.training_tab import TrainingTab

TINY = {
    "image_size": 8, "num_frames": 4, "dim": 8, "dim_mults": [1, 2], "attn_heads": 2, "attn_dim_head": 8,
    "init_kernel_size": 3, "timesteps": 20, "sample_steps": 2, "train_batch_size": 1, "held_out": 0,
    "report_to": "none",
}  # fmt: skip


@pytest.fixture
def tab(tmp_path: Path) -> TrainingTab:
    made = TrainingTab(Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=3, device="cpu", threads=1)))
    with gr.Blocks() as page:
        made.place()
        made.wire(page)
    return made


def asked(tab: TrainingTab, clips: Path | None, edits: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the page hands over for a tiny network over a folder of clips, its text edited."""
    values: dict[str, Any] = dict.fromkeys(tab.form.fields) | {"recipe": "unet3d", "folder": str(clips or "")}
    shown = tab.form.on_form("", {}, **values)
    before = shown[tab.form.before]
    text = written(tab.form.forms["unet3d"], read(shown[tab.form.text]) | TINY | (edits or {}))
    return {"text": text, "before": before, **values}


def until_ended(tab: TrainingTab, state: dict[str, Any], seconds: float = 90) -> dict[Any, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        updates = tab.measure.look(state)
        if tab.studio.queue.get(state["job"]).state in ENDED:
            return updates
        time.sleep(0.2)
    raise AssertionError(tab.studio.queue.get(state["job"]))


@pytest.mark.slow
def test_what_was_measured_is_what_the_page_then_forecasts(tab: TrainingTab, tmp_path: Path) -> None:
    write_clip(tmp_path / "clips" / "one")
    given = asked(tab, tmp_path / "clips")
    before = tab.on_outlook(**given)
    assert "Memory: at least" in before and "Time: not known" in before and "Disk: about" in before
    pane = tab.measure
    updates = pane.on_measure(**given)
    assert updates[pane.said].startswith('<div class="progress">') and updates[pane.stop].visible
    assert not updates[pane.go].visible and updates[pane.timer].active
    assert pane.on_measure(**given)[pane.state] == updates[pane.state], "two clicks are one job"
    done = until_ended(tab, updates[pane.state])
    job = tab.studio.queue.get(updates[pane.state]["job"])
    assert job.state == "done", (job.sentence, job.hint)
    # The forecast is told anew when this changes.
    assert done[pane.ended] == job.id and done[pane.go].visible and done[pane.said] == ""
    after = tab.on_outlook(**given)
    assert "measured in a few steps here" in after and "Time: about" in after and job.result in after
    assert not [path for path in tab.studio.settings.models_dir.iterdir() if not path.name.startswith(".measured-")]


@pytest.mark.slow
def test_a_folder_without_clips_is_a_sentence_and_stop_leaves_nothing(tab: TrainingTab, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pane = tab.measure
    failed = until_ended(tab, pane.on_measure(**asked(tab, tmp_path / "empty"))[pane.state])
    assert "say error" in failed[pane.said] and "Traceback" not in failed[pane.said], failed[pane.said]
    write_clip(tmp_path / "clips" / "one")
    slow = asked(tab, tmp_path / "clips", {"timesteps": 1000, "sample_steps": 1000, "validate_every_steps": 1})
    state = pane.on_measure(**slow)[pane.state]
    end = time.monotonic() + 180
    while tab.studio.queue.get(state["job"]).progress.get("done") != 8 and time.monotonic() < end:
        pane.look(state)
        time.sleep(0.1)
    assert tab.studio.queue.get(state["job"]).progress.get("done") == 8
    stopping = pane.on_stop(state)
    assert stopping[pane.stop].interactive is False
    assert "Stopped." in until_ended(tab, state)[pane.said]
    assert not list(tab.studio.settings.models_dir.glob(".measured-*"))


def test_what_is_missing_is_said_before_anything_is_queued(tab: TrainingTab) -> None:
    pane = tab.measure
    for values, sentence in (
        (asked(tab, None), "There are no clips to learn from."),
        (asked(tab, None) | {"recipe": "dit", "folder": "/", "text": ""}, "The model to begin with is missing."),
        (asked(tab, Path("/"), {"image_size": 33}), "image_size"),
    ):
        updates = pane.on_measure(**values)
        assert sentence in updates[pane.said] and set(updates) == {pane.said}
    assert tab.studio.queue.list() == []


def test_it_takes_turns_with_training_on_the_device() -> None:
    assert {"train", "plan", "measure"} <= set(KINDS["device"])


def test_progress_says_the_stage_and_the_step() -> None:
    row = measure_progress({"text": "image: step 5 of 16", "done": 5, "total": 16})
    assert row["text"] == "Measuring, image: step 5 of 16" and row["fraction"] == 5 / 16
    assert measure_progress({"text": "reading: clip 1 of 2", "done": 0, "total": 0})["fraction"] == 0
