"""A job that a pane follows beside the monitor: found again after a reload, and told in a line."""

from __future__ import annotations

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.studio import Studio
from ui import monitor, pieces


def find_job(studio: Studio, job_id: str | None) -> Job | None:
    """None where there is no such job any more."""
    try:
        return studio.queue.get(job_id) if job_id else None
    except DiffScalerError:
        return None


def line_of(studio: Studio, job: Job | None, stopped: str) -> str:
    """How far it is, or how it ended, as HTML; "" when it is done. stopped: what became of one that was stopped"""
    if job is None or job.state == "done":
        return ""
    if job.state == "failed":
        return pieces.message(job.sentence, job.hint)
    if job.state == "stopped":
        return pieces.message("Stopped.", stopped, "info")
    return monitor.progress_line(studio, job, float(job.progress.get("fraction", 0.0)))
