"""Jobs that run as a child process of the worker: it is started, its events are followed, and Stop is passed on."""

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
from diffscaler.settings import ROOT

# Run as a module by name: the engine does not import the trainer.
TRAINER = "training"
POLL_S = 0.3
# A trainer asked to stop finishes its step and saves; one that takes longer than this is ended.
GRACE_S = 120.0


def carry_out(
    arguments: list[str],
    output: Path,
    last: str,
    told: Callable[[dict[str, Any]], None],
    stopped: Callable[[], bool],
    what: str = "Training",
) -> dict[str, Any]:
    """Run `python -m training ARGUMENTS` to its end and return its event of the kind `last`.

    output: folder of its events.jsonl and log; told: called with every event; what: it does, for people
    Raises JobCancelled when stopped, DiffScalerError with the child's own sentence when it failed.
    """
    output.mkdir(parents=True, exist_ok=True)
    events = EventFile(output / "events.jsonl")
    child = start(arguments, output)
    done: dict[str, Any] | None = None
    failed: dict[str, Any] | None = None
    asked_at: float | None = None
    try:
        while True:
            ended = child.poll() is not None
            for event in events.new():
                told(event)
                if event.get("event") == last:
                    done = event
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
        raise DiffScalerError(str(failed.get("message", f"{what} failed.")), str(failed.get("hint", "")))
    if asked_at is not None and done is None:
        raise JobCancelled
    if child.returncode != 0:
        raise DiffScalerError(f"{what} ended without saying why.", f"Its log is {output.name}/trainer.log.")
    return done or {}


def start(arguments: list[str], output: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (output / "trainer.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", TRAINER, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )


class EventFile:
    """Reads the lines a trainer appends, each once and only whole: the last may be in the middle of being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0

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
