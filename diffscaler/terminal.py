"""What commands have in common at the terminal: exit codes, a line that rewrites itself, lines of JSON."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from diffscaler.jobs.job import Job

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130


def show_progress(job: Job) -> None:
    """How far a job is, on a terminal; nothing in a pipe."""
    if job.progress:
        show_line(f"{job.progress['fraction']:4.0%}  {job.progress['text']}")


def show_line(text: str) -> None:
    """Replace the line at the cursor of a terminal; "" clears it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()


def write_json(row: dict[str, Any]) -> None:
    """One event, or one row of a list, as a line on stdout."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
