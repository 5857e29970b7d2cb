"""Carries out the measuring of a training before it starts: throw-away steps in a child process, told to the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffscaler.jobs.child import carry_out
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.library.files import remove_tree


def run_measure(job: Job, queue: JobQueue, stopped: Callable[[], bool]) -> str:
    """Try a few steps of a run and return its forecast in words.

    Raises JobCancelled when stopped, DiffScalerError with the trainer's own sentence when the run could not begin.
    """

    def told(event: dict[str, Any]) -> None:
        if event.get("event") == "measuring":
            queue.report(job.id, measure_progress(event))

    output = Path(job.payload["output_dir"])
    arguments = ["forecast", job.payload["config"], "--measure", "--events", str(output / "events.jsonl")]
    words = str(carry_out(arguments, output, "measured", told, stopped, "Measuring").get("words", ""))
    remove_tree(output)  # what was measured lies beside the models; one that failed or was stopped may be tried again
    return words


def measure_progress(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a measuring as the queue's progress row."""
    done, total = int(event["done"]), int(event["total"])
    return {
        "stage": "measure",
        "index": 1,
        "count": 1,
        "done": done,
        "total": max(1, total),
        "what": "step",
        "fraction": done / total if total else 0.0,
        "seconds_left": None,
        "text": f"Measuring, {event['text']}",
    }
