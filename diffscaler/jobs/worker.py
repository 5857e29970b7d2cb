"""A worker process: `python -m diffscaler.jobs.worker [LANE]`. It outlives the page, and the device's holds the models.

One worker per lane (see lanes.py), guarded by a lock file that the system releases however the process ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any, get_args

from filelock import Timeout

from diffscaler.errors import JobCancelled
from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import KINDS, Lane, holder_of, lock_of
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.work import work_of
from diffscaler.privacy import tell_nobody
from diffscaler.settings import Settings, read_settings
from diffscaler.wording import worded

log = logging.getLogger("diffscaler.worker")

IDLE_POLL_S = 0.2
BEAT_S = 1.0
# A client beats every few seconds; one not heard of for this long is gone.
CLIENT_GONE_S = 20.0


class Worker:
    """Takes a lane's jobs until there are none and nobody wants it ready any more."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self.settings = settings
        self.kinds = KINDS[lane]
        self.holder = holder_of(settings, lane)
        self.queue = JobQueue(settings.jobs_dir)
        self.work = work_of(lane, settings, self.queue)
        self.quit = threading.Event()
        self.job: Job | None = None
        self.stop_asked = threading.Event()

    def run(self) -> None:
        self.queue.reclaim(self.holder)
        self.work.tidy()
        threading.Thread(target=self._beat, daemon=True).start()
        # The libraries take seconds to import: done while nobody waits yet, once the first job is known not to exist.
        idle_since = time.monotonic()
        while not self.quit.is_set():
            job = self.queue.lease(self.holder, self.kinds)
            if job is None:
                self.work.warm_up()
                if self.work.waits_for_clients and self.queue.clients(CLIENT_GONE_S):
                    idle_since = time.monotonic()
                if time.monotonic() - idle_since > self.settings.worker_idle_s:
                    return
                self.quit.wait(IDLE_POLL_S)
                continue
            self.carry_out(job)
            idle_since = time.monotonic()

    def carry_out(self, job: Job) -> None:
        """Do a leased job and close it, whatever happens."""
        self.stop_asked.clear()
        self.job = job
        log.info("job %s: %s", job.id, job.title)
        try:
            result = self.work.run(job, self.stopped)
        except JobCancelled:
            if self.quit.is_set() and not self.stop_asked.is_set():
                self.queue.reclaim(self.holder)  # the worker was told to go, not the job: the next one continues it
            else:
                self.queue.end(job.id, "stopped")
        except BaseException as error:
            sentence, hint = worded(error)
            log.error("job %s failed: %s", job.id, "".join(traceback.format_exception(error)))
            self.queue.end(job.id, "failed", sentence=sentence, hint=hint, trace=traceback.format_exc())
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            self.work.failed(error)
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
                self.queue.worker_seen(self.holder, os.getpid(), *self.work.about())
            except Exception:  # a beat that fails (a busy disk) is made up for by the next one
                log.warning("heartbeat failed", exc_info=True)
            time.sleep(BEAT_S if job is None else BEAT_S / 4)


def main(arguments: list[str]) -> int:
    tell_nobody()
    lane: Lane = next((lane for lane in get_args(Lane) if lane in arguments), "device")
    settings = read_settings()
    lock = lock_of(settings, lane)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0  # this lane has its worker
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    worker = Worker(settings, lane)

    def leave(number: int, frame: Any) -> None:
        worker.quit.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the command in front, not for the worker
    log.info("worker %s ready, pid %d", worker.holder, os.getpid())
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
