"""What the monitor shows: nothing yet, a job on its way, what went wrong, or the clip."""

from __future__ import annotations

from html import escape

from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import lane_of
from diffscaler.library.clips import Clip
from diffscaler.studio import Studio
from ui import pieces
from ui.pictures import preview_url
from ui.wipe import compared


def empty(text: str) -> str:
    return f'<div class="screen"><p class="invite">{escape(text)}</p></div><div class="under"></div>'


def of_job(studio: Studio, job: Job, before: str = "") -> str:
    """A job that waits, runs or ended without a clip. before: HTML to show while there is no preview."""
    if job.state == "failed":
        return screen(f'<div class="ended">{pieces.message(job.sentence, job.hint)}{again(studio, job)}</div>')
    if job.state == "stopped":
        text = "What was finished is kept: the same request continues from there."
        return screen(f'<div class="ended">{pieces.message("Stopped.", text, "info")}{again(studio, job)}</div>')
    preview = preview_url(studio, job.id)
    shown = f'<img class="media preview" src="{preview}" alt="Unfinished picture">' if preview else before
    fraction = float(job.progress.get("fraction", 0.0)) if job.state == "running" else 0.0
    return screen(shown or '<p class="invite quiet"></p>', progress_line(studio, job, fraction))


def progress_line(studio: Studio, job: Job, fraction: float) -> str:
    line = escape(saying(studio, job))
    return f'<div class="progress">{pieces.bar(fraction, job.title)}<p role="status">{line}</p></div>'


def saying(studio: Studio, job: Job) -> str:
    """Where a job is, in words."""
    if job.stop and job.state == "running":
        return "Stopping. What is finished is kept."
    if job.state == "running":
        return str(job.progress.get("text") or "Starting: loading the model.")
    lane = lane_of(job.kind)
    beside = [other for other in studio.queue.list(ended=False) if lane_of(other.kind) == lane]
    waiting = [other.id for other in beside if other.state == "queued"]
    running = any(other.state == "running" for other in beside)
    ahead = (waiting.index(job.id) if job.id in waiting else 0) + running
    if ahead:
        what = "job" if lane == "device" else "download"
        return f"Waiting, {ahead} {what if ahead == 1 else f'{what}s'} before it."
    if studio.queue.workers(lane) or lane == "downloads":
        return "Starting."
    return "Starting the worker; the first time takes some seconds."


def of_source(studio: Studio, clip: Clip) -> str:
    """The clip that is about to be worked on."""
    return (
        f'<div class="screen">{pieces.player(studio, clip)}</div>'
        f'<div class="under"><h2>{escape(clip.title)}</h2>{pieces.facts(studio, clip)}</div>'
    )


def of_clip(studio: Studio, clip: Clip, extra: str = "") -> str:
    """A finished clip with its facts and its verbs."""
    return (
        f'<div class="screen">{pieces.player(studio, clip)}</div>'
        f'<div class="under"><h2>{escape(clip.title)}</h2>{pieces.facts(studio, clip)}{extra}'
        f"{pieces.verbs(studio, clip)}</div>"
    )


def of_pair(
    studio: Studio, before: Clip, after: Clip, *, wipe: bool, extra: str = "", start_s: float | None = None
) -> str:
    """Before and after, in step: as a wipe over each other, or side by side.

    start_s: where in `before` a trial `after` begins; None when both are the whole clip
    """
    return (
        f'<div class="screen">{compared(studio, before, after, wipe=wipe, start_s=start_s)}</div>'
        f'<div class="under"><h2>{escape(after.title)}</h2>{pieces.facts(studio, after)}{extra}'
        f"{pieces.verbs(studio, after, compared=True)}</div>"
    )


def screen(inside: str, line: str = "") -> str:
    return f'<div class="screen">{inside}{line}</div><div class="under"></div>'


def again(studio: Studio, job: Job) -> str:
    """What can be done with a job that ended early: go on, or keep what there is."""
    buttons = pieces.do("retry", "Try again", key=job.id)
    if done := studio.finished(job):
        buttons += pieces.do("keep", f"Keep the {done.words}", key=job.id, title="Writes them as a clip of their own")
    return f'<div class="verbs">{buttons}</div>'
