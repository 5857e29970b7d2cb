"""The queue's promises: one lease a job, order as asked, and a worker that dies loses nothing."""

from __future__ import annotations

import threading
import time

import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.jobs import queue as queue_module
from diffscaler.jobs.queue import MAX_CRASHES, JobQueue
from diffscaler.plan import Node
from diffscaler.recipe_parts import Recipe
from diffscaler.recipes import request_from
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings


@pytest.fixture
def queue(settings: Settings) -> JobQueue:
    return JobQueue(settings.jobs_dir)


def recipe(n: int) -> Recipe:
    return Recipe(Node("encode", 1, {"n": n}), f"clip {n}", Text2VideoRequest(prompt=f"a dog {n}", seed=n))


def test_jobs_run_in_the_order_asked(queue: JobQueue) -> None:
    jobs = [queue.submit(recipe(n)) for n in range(3)]
    queue.move(jobs[2].id, -2)
    leased = [queue.lease("lane") for _ in range(4)]
    assert [job.title if job else None for job in leased] == ["clip 2", "clip 0", "clip 1", None]


def test_the_same_request_twice_is_one_job(queue: JobQueue) -> None:
    assert queue.submit(recipe(1)).id == queue.submit(recipe(1)).id
    queue.lease("lane")
    assert queue.submit(recipe(1)).state == "running"


def test_a_request_comes_back_for_use_these_settings(queue: JobQueue) -> None:
    job = queue.submit(recipe(5))
    assert job.request is not None and request_from(job.request) == recipe(5).request


def test_two_workers_never_hold_one_job(queue: JobQueue) -> None:
    for n in range(20):
        queue.submit(recipe(n))
    taken: list[str] = []

    def work(lane: str) -> None:
        mine = JobQueue(queue.root)
        while (job := mine.lease(lane)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"lane {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 20


def test_a_lapsed_lease_goes_to_the_next_worker(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "LEASE_S", 0.05)
    job = queue.submit(recipe(1))
    assert queue.lease("dead") is not None
    time.sleep(0.1)
    again = queue.lease("alive")
    assert again is not None and again.id == job.id and again.crashes == 1


def test_a_beaten_lease_does_not_lapse(queue: JobQueue) -> None:
    job = queue.submit(recipe(1))
    queue.lease("one")
    assert queue.beat(job.id) is False
    assert queue.lease("two") is None
    queue.stop(job.id)
    assert queue.beat(job.id) is True


def test_a_job_that_takes_every_worker_down_is_given_up_and_the_queue_goes_on(queue: JobQueue) -> None:
    bad, good = queue.submit(recipe(1)), queue.submit(recipe(2))
    for _ in range(MAX_CRASHES):
        job = queue.lease("lane")
        assert job is not None and job.id == bad.id
        queue.reclaim("lane")
    assert queue.get(bad.id).state == "failed" and "lost" in queue.get(bad.id).sentence
    job = queue.lease("lane")
    assert job is not None and job.id == good.id


def test_getting_further_forgives_crashes(queue: JobQueue) -> None:
    job = queue.submit(recipe(1))
    for stored in range(1, 3 * MAX_CRASHES):
        assert queue.lease("lane") is not None
        queue.moved_on(job.id, stored)
        queue.reclaim("lane")
    assert queue.get(job.id).state == "queued"


def test_stop_retry_and_forget(queue: JobQueue) -> None:
    job = queue.submit(recipe(1))
    queue.stop(job.id)
    assert queue.get(job.id).state == "stopped" and queue.lease("lane") is None
    queue.retry(job.id)
    assert queue.lease("lane") is not None
    queue.end(job.id, "failed", sentence="No.", hint="Yes.", trace="...")
    assert queue.get(job.id).event() == {
        "job": job.id, "state": "failed", "title": "clip 1", "error": "No.", "hint": "Yes."
    }  # fmt: skip
    queue.forget(job.id)
    with pytest.raises(InvalidRequest):
        queue.get(job.id)


def test_a_training_folder_is_used_by_one_run_at_a_time(queue: JobQueue, settings: Settings) -> None:
    queue.submit_training("mine", settings.data_dir / "c.toml", settings.data_dir / "out")
    with pytest.raises(InvalidRequest, match="queue"):
        queue.submit_training("mine", settings.data_dir / "c.toml", settings.data_dir / "out")


def test_a_job_that_is_stopping_is_not_handed_out_again(queue: JobQueue) -> None:
    first = queue.submit(recipe(1))
    queue.lease("lane")
    queue.stop(first.id)
    assert queue.submit(recipe(1)).id != first.id


def test_forget_touches_no_file_but_its_own(queue: JobQueue, settings: Settings) -> None:
    victim = settings.data_dir / "victim.webp"
    victim.write_bytes(b"x")
    queue.forget("../../victim")
    assert victim.exists()


def test_a_clip_is_needed_while_a_job_names_it(queue: JobQueue) -> None:
    job = queue.submit(recipe(1))
    assert queue.needed(job.payload["key"])
    queue.stop(job.id)
    assert not queue.needed(job.payload["key"])
