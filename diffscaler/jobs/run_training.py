"""Carries out training jobs: the trainer runs as a child process, and the queue follows the events it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError, JobCancelled
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.settings import ROOT

# Run as a module by name: the engine does not import the trainer.
TRAINER = "training"
POLL_S = 0.3
# A trainer asked to stop finishes its step and saves; one that takes longer than this is ended.
GRACE_S = 120.0


def run_training(job: Job, queue: JobQueue, stopped: Callable[[], bool]) -> str:
    """Run the trainer to its end and return the folder of the model it made.

    Raises JobCancelled when stopped, DiffScalerError with the trainer's own sentence when it failed.
    """
    output = Path(job.payload["output_dir"])
    output.mkdir(parents=True, exist_ok=True)
    events = EventFile(output / "events.jsonl")
    child = start(job.payload["config"], output)
    began, done, failed = time.monotonic(), "", None
    asked_at: float | None = None
    try:
        while True:
            ended = child.poll() is not None
            for event in events.new():
                if event.get("event") == "step":
                    queue.report(job.id, step_progress(event, time.monotonic() - began, first_step(event, events)))
                elif event.get("event") == "done":
                    done = str(event.get("model", ""))
                elif event.get("event") == "error":
                    failed = event
            if ended:
                break
            if stopped() and asked_at is None:
                asked_at = time.monotonic()
                child.send_signal(signal.SIGTERM)
            if asked_at is not None and time.monotonic() - asked_at > GRACE_S:
                child.kill()
            time.sleep(POLL_S)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if failed is not None:
        raise DiffScalerError(str(failed.get("message", "Training failed.")), str(failed.get("hint", "")))
    if asked_at is not None and not done:
        raise JobCancelled
    if child.returncode != 0:
        raise DiffScalerError("Training ended without saying why.", f"Its log is {output.name}/trainer.log.")
    return done


def start(config: str, output: Path) -> subprocess.Popen[bytes]:
    log = (output / "trainer.log").open("ab")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", TRAINER, config], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
    )


class EventFile:
    """Reads the lines a trainer appends, each once and only whole: the last may be in the middle of being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0
        self.first: int | None = None

    def new(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def first_step(event: dict[str, Any], events: EventFile) -> int:
    """The first step this process reported: a resumed run must not count steps an earlier one paid for."""
    if events.first is None:
        events.first = int(event["step"])
    return events.first


def step_progress(event: dict[str, Any], seconds: float, first: int) -> dict[str, Any]:
    """A trainer's step as the queue's progress row."""
    step, total = int(event["step"]), max(1, int(event["total"]))
    own = step - first
    left = seconds / own * (total - step) if own > 0 else None
    text = f"Training, step {step} of {total}, loss {float(event['loss']):.4f}"
    if left is not None:
        text += f", {max(1, round(left))} s left"
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
