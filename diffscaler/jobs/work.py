"""What the worker of each lane does with its jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import Lane
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.run_fetch import run_fetch
from diffscaler.jobs.run_measure import run_measure
from diffscaler.jobs.run_plan import PlanRunner
from diffscaler.jobs.run_prepare import run_prepare
from diffscaler.jobs.run_training import run_training
from diffscaler.jobs.throwaway import clear_killed
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import remove_tree
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings


class Work(Protocol):
    """One lane's work. waits_for_clients: whether its worker stays while a page is open, to be ready at once."""

    waits_for_clients: bool

    def tidy(self) -> None:
        """Clear away what an earlier worker that was killed could not. Called once, before the first job."""
        ...

    def warm_up(self) -> None:
        """Get ready while nobody waits; called often."""
        ...

    def run(self, job: Job, stopped: Callable[[], bool]) -> str:
        """Carry a job out and return its result. Raises JobCancelled once `stopped`, else what went wrong."""
        ...

    def failed(self, error: BaseException) -> None:
        """A job failed; the next one shall not fail of the same."""
        ...

    def about(self) -> tuple[str, list[str], list[str]]:
        """(device, models in memory, their latest moves) for the page."""
        ...


class DeviceWork:
    """Clips and training: whatever computes, one after another, with models that stay in memory between."""

    waits_for_clients = True

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self.settings = settings
        self.queue = queue
        self.library = ClipLibrary(settings.library_dir)
        self.catalogue = Catalogue(settings)
        self.plans = PlanRunner(settings, queue, self.library, self.catalogue)

    def tidy(self) -> None:
        remove_tree(self.library.root / "scratch")
        clear_killed(self.settings.models_dir)

    def warm_up(self) -> None:
        self.plans.warm_up()

    def run(self, job: Job, stopped: Callable[[], bool]) -> str:
        if job.kind == "train":
            self.plans.make_room("training takes the whole machine")
            return run_training(job, self.queue, stopped)
        if job.kind == "measure":
            self.plans.make_room("measuring a training takes the whole machine")
            try:
                return run_measure(job, self.queue, stopped)
            finally:
                clear_killed(self.settings.models_dir)  # one that did not stop in time was ended
        if job.kind == "prepare":
            if self.catalogue.specs("caption_scorer"):
                self.plans.make_room("a network looks at the clips that are prepared")
            return run_prepare(job, self.queue, stopped)
        return self.plans.run(job, stopped)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            self.plans.make_room("memory ran out")

    def about(self) -> tuple[str, list[str], list[str]]:
        return self.plans.about()


class DownloadWork:
    """Downloads. Its worker starts in a moment and has nothing to keep, so it goes when there is nothing to fetch."""

    waits_for_clients = False

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self.settings = settings
        self.queue = queue

    def tidy(self) -> None:
        pass  # what a killed download left is what the next one continues from

    def warm_up(self) -> None:
        pass

    def run(self, job: Job, stopped: Callable[[], bool]) -> str:
        return run_fetch(job, self.queue, self.settings, stopped)

    def failed(self, error: BaseException) -> None:
        pass

    def about(self) -> tuple[str, list[str], list[str]]:
        return "downloads", [], []


def work_of(lane: Lane, settings: Settings, queue: JobQueue) -> Work:
    """The work of a lane."""
    return DownloadWork(settings, queue) if lane == "downloads" else DeviceWork(settings, queue)
