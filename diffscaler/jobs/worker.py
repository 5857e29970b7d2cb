"""The worker process: `python -m diffscaler.jobs.worker`. It holds the models and outlives the page.

One worker per lane (this machine's device), guarded by a lock file that the system releases however the process ends.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from filelock import FileLock, Timeout

from diffscaler.errors import JobCancelled
from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.run_fetch import run_fetch
from diffscaler.jobs.run_plan import PlanRunner
from diffscaler.jobs.run_training import run_training
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.files import remove_tree
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings, read_settings
from diffscaler.wording import worded

log = logging.getLogger("diffscaler.worker")

IDLE_POLL_S = 0.2
BEAT_S = 1.0
# A client beats every few seconds; one not heard of for this long is gone.
CLIENT_GONE_S = 20.0


def lane_of(settings: Settings) -> str:
    """The name of the worker slot of this machine and device."""
    return f"{socket.gethostname()}/{settings.device or 'auto'}"


def lock_of(settings: Settings) -> FileLock:
    """The lock a running worker of this lane holds."""
    settings.jobs_dir.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.jobs_dir / f"worker-{(settings.device or 'auto').replace(':', '-')}.lock")


class Worker:
    """Takes jobs until there are none and nobody wants it ready any more."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = JobQueue(settings.jobs_dir)
        self.library = ClipLibrary(settings.library_dir)
        self.catalogue = Catalogue(settings)
        self.lane = lane_of(settings)
        self.plans = PlanRunner(settings, self.queue, self.library, self.catalogue)
        self.quit = threading.Event()
        self.job: Job | None = None
        self.stop_asked = threading.Event()

    def run(self) -> None:
        self.queue.reclaim(self.lane)
        remove_tree(self.library.root / "scratch")  # an earlier worker that was killed could not
        threading.Thread(target=self._beat, daemon=True).start()
        # The libraries take seconds to import: done while nobody waits yet, once the first job is known not to exist.
        idle_since = time.monotonic()
        while not self.quit.is_set():
            job = self.queue.lease(self.lane)
            if job is None:
                self.plans.warm_up()
                if self.queue.clients(CLIENT_GONE_S):
                    idle_since = time.monotonic()
                if time.monotonic() - idle_since > self.settings.worker_idle_s:
                    return
                self.quit.wait(IDLE_POLL_S)
                continue
            self._carry_out(job)
            idle_since = time.monotonic()

    def _carry_out(self, job: Job) -> None:
        self.stop_asked.clear()
        self.job = job
        log.info("job %s: %s", job.id, job.title)
        try:
            if job.kind == "train":
                self.plans.make_room("training takes the whole machine")
                result = run_training(job, self.queue, self.stopped)
            elif job.kind == "model":
                result = run_fetch(job, self.queue, self.settings, self.stopped)
            else:
                result = self.plans.run(job, self.stopped)
        except JobCancelled:
            if self.quit.is_set() and not self.stop_asked.is_set():
                self.queue.reclaim(self.lane)  # the worker was told to go, not the job: the next worker continues it
            else:
                self.queue.end(job.id, "stopped")
        except BaseException as error:
            sentence, hint = worded(error)
            log.error("job %s failed: %s", job.id, "".join(traceback.format_exception(error)))
            self.queue.end(job.id, "failed", sentence=sentence, hint=hint, trace=traceback.format_exc())
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
                self.plans.make_room("memory ran out")
        else:
            self.queue.end(job.id, "done", result=result)
        finally:
            self.job = None

    def stopped(self) -> bool:
        """Whether the running job should stop: it was asked to, or the whole worker was."""
        return self.stop_asked.is_set() or self.quit.is_set()

    def _beat(self) -> None:
        while not self.quit.is_set():
            job = self.job
            try:
                if job is not None and self.queue.beat(job.id) and self.job is job:
                    self.stop_asked.set()
                self.queue.worker_seen(self.lane, os.getpid(), *self.plans.about())
            except Exception:  # a beat that fails (a busy disk) is made up for by the next one
                log.warning("heartbeat failed", exc_info=True)
            time.sleep(BEAT_S if job is None else BEAT_S / 4)


def main() -> int:
    settings = read_settings()
    lock = lock_of(settings)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0  # this lane has its worker
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    worker = Worker(settings)

    def leave(number: int, frame: Any) -> None:
        worker.quit.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the command in front, not for the worker
    log.info("worker %s ready, pid %d", worker.lane, os.getpid())
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
