"""Preparing from the queue: a real one, stopped and continued, and the sentence of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from diffscaler.datasets import manifest as stored
from diffscaler.jobs.run_prepare import clip_progress
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.jobs.test_worker import finish


def squares(folder: Path, count: int) -> Path:
    """Folders of four frames each, a square that moves."""
    for number in range(count):
        (folder / f"clip{number}").mkdir(parents=True)
        for step in range(4):
            picture = np.full((32, 48, 3), 200, np.uint8)
            picture[8:20, 2 + 4 * step : 14 + 4 * step] = (number * 40, 30, 30)
            Image.fromarray(picture).save(folder / f"clip{number}" / f"{step}.png")
        (folder / f"clip{number}" / "prompt.txt").write_text("a square moves right")
    return folder


def test_a_folder_is_prepared_by_the_worker_and_a_wrong_one_is_a_sentence(tmp_path: Path) -> None:
    studio = Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=5, device="cpu", threads=1))
    dataset = studio.settings.datasets_dir / "squares"
    arguments = ["prepare", str(squares(tmp_path / "clips", 3)), "-o", str(dataset)]
    job = studio.queue.submit_prepare("Prepare squares", arguments, dataset)
    assert studio.queue.submit_prepare("Prepare squares", arguments, dataset).id == job.id, "two clicks are one job"
    job = finish(studio, job)
    assert job.state == "done" and job.result == str(dataset), (job.sentence, job.hint)
    assert len(stored.read(dataset).clips) == 3 and job.progress["done"] == 3
    arguments = ["prepare", str(tmp_path / "nowhere"), "-o", str(dataset)]
    job = finish(studio, studio.queue.submit_prepare("Prepare nothing", arguments, dataset))
    assert job.state == "failed" and "There is no folder" in job.sentence and job.hint, job
    assert len(stored.read(dataset).clips) == 3


def test_progress_says_how_far_it_is_and_how_long_it_will_take() -> None:
    row = clip_progress({"event": "clip", "done": 25, "clips": 100, "shots": 60, "faults": 2}, 10.0)
    assert row["fraction"] == 0.25 and row["seconds_left"] == 30.0
    assert row["text"].startswith("Looking at clip 25 of 100, 60 shots, 2 could not be used, 30 s")
    row = clip_progress({"event": "scored", "done": 64, "clips": 256}, 10.0)
    assert (row["fraction"], row["seconds_left"]) == (0.25, None)
    assert row["text"] == "Comparing shot 64 of 256 with its captions"
    assert clip_progress({"event": "found", "layout": "bare footage", "clips": 0}, 1.0)["seconds_left"] is None
