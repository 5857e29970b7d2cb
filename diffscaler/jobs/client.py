"""For whoever asks for work: makes sure a worker runs, and follows a job to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

from filelock import Timeout

from diffscaler.errors import DiffScalerError
from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import Lane, lock_of
from diffscaler.jobs.queue import JobQueue
from diffscaler.settings import ROOT, Settings

POLL_S = 0.15
CHECK_WORKER_S = 1.0
QUICK_DEATH_S = 30.0
# OpenMP threads that wait by spinning for long take the cores from each other when anything else runs (32 s against
# 22 s for a short clip on two busy cores); not spinning at all slows a quiet machine. So: briefly.
COMPUTING = {"GOMP_SPINCOUNT": "50000"}
GIVE_UP_AFTER = 3
LOG_BYTES = 5 * 2**20


class WorkerKeeper:
    """Starts this machine's worker of one lane when there is none. Call `ensure` often; it is cheap.

    A worker that ends with an error soon after its start is tried again ever more rarely, and `trouble` then says so.
    """

    def __init__(self, settings: Settings, lane: Lane = "device") -> None:
        self.settings = settings
        self.lane: Lane = lane
        self.client_id = uuid.uuid4().hex
        self.started: subprocess.Popen[bytes] | None = None
        self.quick_deaths = 0
        self._started_at = self._look_again_at = float("-inf")

    def ensure(self) -> None:
        """Start a worker unless one runs. Looks at most once a second."""
        now = time.monotonic()
        if now < self._look_again_at:
            return
        self._look_again_at = now + CHECK_WORKER_S
        if self.started is not None:
            code = self.started.poll()
            if code is None:
                self.quick_deaths = 0 if now - self._started_at > QUICK_DEATH_S else self.quick_deaths
                return
            if code > 0 and now - self._started_at < QUICK_DEATH_S:
                self.quick_deaths += 1
            self.started = None
            if self.quick_deaths >= 2:
                self._look_again_at = now + min(60.0, 2.0**self.quick_deaths)
                return
        if not worker_runs(self.settings, self.lane):
            self.started, self._started_at = spawn_worker(self.settings, self.lane), now

    def trouble(self) -> DiffScalerError | None:
        """Why no worker takes any job of this lane, when that is so."""
        if self.quick_deaths < GIVE_UP_AFTER:
            return None
        return DiffScalerError(
            "The worker that should do this cannot start.",
            f"Run `python app.py doctor`; its log is jobs/{log_name(self.lane)}.",
        )


def worker_runs(settings: Settings, lane: Lane) -> bool:
    """Whether a worker holds a lane's lock."""
    lock = lock_of(settings, lane)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def log_name(lane: Lane) -> str:
    """The file below the queue's folder that a lane's workers write to."""
    return "worker.log" if lane == "device" else f"{lane}.log"


def spawn_worker(settings: Settings, lane: Lane) -> subprocess.Popen[bytes]:
    """Start a lane's worker that outlives this process: in a session of its own, writing to a log of its own."""
    settings.jobs_dir.mkdir(parents=True, exist_ok=True)
    log_path = settings.jobs_dir / log_name(lane)
    if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
        os.replace(log_path, log_path.with_suffix(".old.log"))
    detached = (
        {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "diffscaler.jobs.worker", lane],
            cwd=ROOT,
            env={**COMPUTING, **os.environ, **settings.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **detached,  # type: ignore[arg-type]
        )


def follow(queue: JobQueue, job_id: str, keeper: WorkerKeeper) -> Iterator[Job]:
    """A job each time something about it changed, until it has ended. Restarts a worker that was lost.

    Raises DiffScalerError when no worker can be started.
    """
    last: Job | None = None
    while True:
        job = queue.get(job_id)
        if job != last:
            yield job
            last = job
        if job.ended:
            return
        keeper.ensure()
        if trouble := keeper.trouble():
            raise trouble
        time.sleep(POLL_S)
