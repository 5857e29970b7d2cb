"""Films being written while a person goes on working: how far each is, what came of it, and stopping it.

The steps that take long are jobs of the queue, so what they made is kept when the studio ends meanwhile; pressed again
it goes on from there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.film.making import FilmStopped
from diffscaler.jobs.job import Job
from diffscaler.projects.deliver import Delivered, FilmFiles, Wanted
from diffscaler.projects.project import Project
from diffscaler.screenplay.shot import Shot
from diffscaler.studio import Studio
from diffscaler.wording import worded

log = logging.getLogger("diffscaler.film")

State = Literal["running", "done", "stopped", "failed"]


@dataclass
class Handover:
    """What is wanted of a film, on its way. text, fraction: how far it is; sentence, hint: what ended it"""

    studio: Studio
    project: Project
    wanted: Wanted
    state: State = "running"
    text: str = "Beginning"
    fraction: float = 0.0
    result: Delivered = field(default_factory=Delivered)
    sentence: str = ""
    hint: str = ""
    _job: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="handover", daemon=True).start()

    def stop(self) -> None:
        """Ask it to stop; the job it waits for is stopped as well."""
        self._stop.set()
        if self._job:
            self.studio.queue.stop(self._job)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so long."""
        return self._ended.wait(seconds)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set() and self.state == "running"

    # -- what it is told, by the thread that writes -------------------------------------------------------------------

    def job(self, number: int, job: Job, behind: float) -> None:
        self.step(f"Shot {number}", job)

    def shot(self, number: int, shot: Shot, before: bool | None, notes: Sequence[str], left: float) -> None:
        self._go_on()

    def step(self, what: str, job: Job) -> None:
        self._job = "" if job.ended else job.id
        waits = "waits for its turn" if job.state == "queued" else "starting"
        self.text = f"{what}: {job.progress.get('text') or waits}"
        self.fraction = float(job.progress.get("fraction") or 0.0)
        self._go_on()

    def part(self, what: str, fraction: float) -> None:
        self.text, self.fraction = what, fraction
        self._go_on()

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise FilmStopped

    def _run(self) -> None:
        try:
            self.result = FilmFiles(self.studio, self.project, self.wanted, self).write()
            self.state = "done"
        except FilmStopped:
            self.state = "stopped"
        except Exception as error:
            if not isinstance(error, (DiffScalerError, ValidationError, OSError)):
                log.exception("a film was not written")
            self.sentence, self.hint = worded(error)
            self.state = "failed"
        finally:
            self._ended.set()


class Handovers:
    """The latest one of each film."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._by_film: dict[str, Handover] = {}
        self._lock = threading.Lock()

    def begin(self, film: str, wanted: Wanted) -> Handover:
        """Raises InvalidRequest when the film is gone, or one of it is being written."""
        project = self.studio.projects.get(film)
        with self._lock:
            if (now := self._by_film.get(film)) is not None and now.state == "running":
                raise InvalidRequest("This film is being written already.", "Wait for it, or stop it.")
            made = self._by_film[film] = Handover(self.studio, project, wanted)
        made.start()
        return made

    def of(self, film: str) -> Handover | None:
        """What is or was written of a film last, since the studio began."""
        return self._by_film.get(film)
