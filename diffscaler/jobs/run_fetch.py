"""Carries out download jobs: a model is fetched in the worker, and the queue follows how far it is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.tokens import TokenBox
from diffscaler.models.hub import hub_of
from diffscaler.models.place import Doing, Place
from diffscaler.models.source import ModelSource
from diffscaler.models.web import Hub, Patience, Web
from diffscaler.models.weights import get
from diffscaler.settings import GIB, Settings
from diffscaler.wording import bytes_in_words, seconds_in_words

REPORT_S = 0.25
# Speed is that of the last seconds: of the whole time, a line that has become slow would look fast for hours.
WINDOW_S = 6.0

WORDS: dict[Doing, str] = {
    "wait": "Waiting for another download of this model",
    "list": "Asking the hub what there is",
    "check": "Checking",
    "fetch": "Downloading",
}


def run_fetch(
    job: Job, queue: JobQueue, settings: Settings, stopped: Callable[[], bool], patience: Patience | None = None
) -> str:
    """Download or mend a model and return its folder. Raises what models.weights.get raises."""
    name = str(job.payload["model"])
    tokens = TokenBox(queue.root)
    place = Place(settings.models_dir, name)
    queue.moved_on(job.id, place.incoming_bytes)
    try:
        web = Web(hub_for(job, tokens.look(name), settings), patience)
        source = ModelSource.model_validate(job.payload["source"])
        get(place, source, web, FetchWatcher(queue, job.id, stopped), int(settings.disk_reserve_gb * GIB))
    finally:
        if not stopped() or queue.get(job.id).stop:  # not when only this worker is to go: the next one needs it
            tokens.clear(name)
    return str(place.folder)


def hub_for(job: Job, token: str, settings: Settings) -> Hub:
    """The hub the job was asked from, with the token left for it, or this worker's own if it is the same hub's."""
    endpoint = str(job.payload["endpoint"])
    if not token:
        try:
            own = hub_of(settings)
        except DiffScalerError:  # a broken HF_TOKEN is no reason to fail where none is needed
            own = None
        token = own.token if own is not None and own.endpoint == endpoint else ""
    return Hub(endpoint, token)


class FetchWatcher:
    """models.place.Watch that writes to the queue, no more often than a person can see."""

    def __init__(
        self, queue: JobQueue, job_id: str, stopped: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.queue = queue
        self.job_id = job_id
        self.stopped = stopped
        self.speed = Speed(clock)
        self._clock = clock
        self._told: tuple[str, str] | None = None
        self._told_at = float("-inf")

    def moment(self, doing: Doing, file: str, done_bytes: int, total_bytes: int) -> None:
        self.speed.reached(doing, done_bytes)
        now = self._clock()
        if (doing, file) == self._told and now - self._told_at < REPORT_S and done_bytes < total_bytes:
            return
        self._told, self._told_at = (doing, file), now
        self.queue.report(
            self.job_id, fetch_progress(doing, file, done_bytes, total_bytes, self.speed.bytes_per_second)
        )


class Speed:
    """Bytes a second over the last WINDOW_S."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._doing = ""
        self._marks: deque[tuple[float, int]] = deque()

    def reached(self, doing: str, done_bytes: int) -> None:
        """Tell how far it is. What an earlier try had fetched is where counting begins, not speed."""
        now = self._clock()
        if doing != self._doing or (self._marks and done_bytes < self._marks[-1][1]):
            self._marks.clear()
        self._doing = doing
        self._marks.append((now, done_bytes))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW_S:
            self._marks.popleft()

    @property
    def bytes_per_second(self) -> float | None:
        """None until there is something to measure."""
        if not self._marks:
            return None
        (began, first), last = self._marks[0], self._marks[-1][1]
        spent = self._clock() - began
        return (last - first) / spent if spent > 0.5 else None


def fetch_progress(doing: Doing, file: str, done: int, total: int, speed: float | None) -> dict[str, Any]:
    """A moment of a download as the queue's progress row.

    done, total: bytes; speed: bytes a second, None while unknown
    """
    left = (total - done) / speed if speed and done < total else None
    text = WORDS[doing]
    if total:
        text += f", {bytes_in_words(done)} of {bytes_in_words(total)}"
        if speed is not None and done < total:
            text += f", {bytes_in_words(speed)}/s" if speed >= 1 else ", nothing comes"
    if left is not None:
        text += f", {seconds_in_words(left)} left"
    if file:
        text += f" ({file})"
    return {
        "stage": doing,
        "index": 1,
        "count": 1,
        "done": done,
        "total": total,
        "what": "bytes",
        "fraction": done / total if total else 0.0,
        "seconds_left": left,
        "text": text,
        "file": file,
        "bytes_per_second": speed,
    }
