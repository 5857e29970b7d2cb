"""Carries out the preparing of data sets: it runs as a child process, and the queue follows the events it writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffscaler.jobs.child import carry_out
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.wording import seconds_in_words


def run_prepare(job: Job, queue: JobQueue, stopped: Callable[[], bool]) -> str:
    """Prepare or draw a data set and return its folder. Raises JobCancelled, DiffScalerError with its own sentence."""
    began = time.monotonic()

    def told(event: dict[str, Any]) -> None:
        if event.get("event") in ("found", "clip", "scored", "drawing"):
            queue.report(job.id, clip_progress(event, time.monotonic() - began))

    output = Path(job.payload["output_dir"])
    carry_out(list(job.payload["arguments"]), output, "prepared", told, stopped, "Preparing")
    return str(output)


def clip_progress(event: dict[str, Any], seconds: float) -> dict[str, Any]:
    """An event of a preparing as the queue's progress row. seconds: since it began"""
    done, total = int(event.get("done", 0)), max(1, int(event.get("clips", 0)))
    left = seconds / done * (total - done) if done else None
    if event["event"] == "drawing":
        text = f"Drawing, clip {done} of {total}"
    elif event["event"] == "scored":
        text, left = f"Comparing shot {done} of {total} with its captions", None
    elif event["event"] == "found":
        text = f"Found {event.get('layout', 'clips')}: {total}"
    else:
        text = f"Looking at clip {done} of {total}, {event.get('shots', 0)} shots"
        if faults := int(event.get("faults", 0)):
            text += f", {faults} could not be used"
    if left:
        text += f", {seconds_in_words(left)} left"
    return {
        "stage": "prepare",
        "index": 1,
        "count": 1,
        "done": done,
        "total": total,
        "what": "clip",
        "fraction": done / total,
        "seconds_left": left,
        "text": text,
    }
