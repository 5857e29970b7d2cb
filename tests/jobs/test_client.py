"""A worker that cannot start is told, not tried forever."""

from __future__ import annotations

import subprocess
import sys

import pytest

from diffscaler.errors import DiffScalerError
from diffscaler.jobs import client
from diffscaler.jobs.client import WorkerKeeper, follow
from diffscaler.jobs.lanes import Lane
from diffscaler.jobs.queue import JobQueue
from diffscaler.settings import Settings
from tests.jobs.test_queue import recipe


def test_a_worker_that_cannot_start_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned = []

    def broken(settings: Settings, lane: Lane) -> subprocess.Popen[bytes]:
        spawned.append(1)
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])

    monkeypatch.setattr(client, "spawn_worker", broken)
    monkeypatch.setattr(client, "CHECK_WORKER_S", 0.0)
    queue = JobQueue(settings.jobs_dir)
    job = queue.submit(recipe(1))
    keeper = WorkerKeeper(settings)
    monkeypatch.setattr(client.time, "monotonic", FastClock().now)
    with pytest.raises(DiffScalerError, match="cannot start"):
        for _ in follow(queue, job.id, keeper):
            pass
    assert len(spawned) == client.GIVE_UP_AFTER
    assert queue.get(job.id).state == "queued", "the job waits for a worker that works"


class FastClock:
    """A second passes at every look."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 0.5
        return self.time
