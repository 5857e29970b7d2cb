"""Carries out training jobs: the trainer runs as a child process, and the queue follows the events it writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffscaler.jobs.child import carry_out
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.wording import seconds_in_words


def run_training(job: Job, queue: JobQueue, stopped: Callable[[], bool]) -> str:
    """Run the trainer to its end and return the folder of the model it made.

    Raises JobCancelled when stopped, DiffScalerError with the trainer's own sentence when it failed.
    """
    began, first = time.monotonic(), None

    def told(event: dict[str, Any]) -> None:
        nonlocal first
        if event.get("event") == "step":
            # A resumed run must not count steps an earlier one paid for.
            first = int(event["step"]) if first is None else first
            queue.report(job.id, step_progress(event, time.monotonic() - began, first))

    output = Path(job.payload["output_dir"])
    return str(carry_out([job.payload["config"]], output, "done", told, stopped).get("model", ""))


def step_progress(event: dict[str, Any], seconds: float, first: int) -> dict[str, Any]:
    """A trainer's step as the queue's progress row."""
    step, total = int(event["step"]), max(1, int(event["total"]))
    own = step - first
    left = seconds / own * (total - step) if own > 0 else None
    if "seconds_left" in event:  # the trainer knows better: it leaves out what came before the steps
        left = float(event["seconds_left"])
    text = f"Training, step {step} of {total}, loss {float(event['loss']):.4f}"
    if left is not None:
        text += f", {seconds_in_words(left)} left"
    return {
        "stage": str(event.get("stage", "train")),
        "index": 1,
        "count": 1,
        "done": step,
        "total": total,
        "what": "step",
        "fraction": step / total,
        "seconds_left": left,
        "text": text,
        "loss": event["loss"],
    }
