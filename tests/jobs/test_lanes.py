"""Downloads run beside renders: neither waits for the other, each lane keeps its order and survives its worker."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from diffscaler.jobs.job import Job
from diffscaler.jobs.lanes import KINDS, holder_of, lane_held_by, lock_of
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.worker import Worker
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.jobs.test_queue import recipe
from tests.jobs.test_worker import finish, save_clip, studio_at, wait_for
from tests.models.fakehub import REPO, FakeHub, Fault
from ui.monitor import saying
from ui.queue_panel import QueuePanel

BIG = "unet/diffusion_pytorch_model.safetensors"

# The queue as it was before there were lanes, with what a worker that did everything left in it.
OLD_QUEUE = """
CREATE TABLE job (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, payload TEXT NOT NULL, request TEXT,
    state TEXT NOT NULL, position REAL NOT NULL, created REAL NOT NULL, started REAL, finished REAL, progress TEXT,
    result TEXT, sentence TEXT NOT NULL DEFAULT '', hint TEXT NOT NULL DEFAULT '', trace TEXT NOT NULL DEFAULT '',
    lane TEXT, lease_until REAL, stop INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE worker (
    lane TEXT PRIMARY KEY, pid INTEGER NOT NULL, device TEXT NOT NULL, resident TEXT NOT NULL DEFAULT '[]',
    moves TEXT NOT NULL DEFAULT '[]', seen REAL NOT NULL
);
"""


@pytest.fixture
def queue(settings: Settings) -> JobQueue:
    return JobQueue(settings.jobs_dir)


def ask_for(queue: JobQueue, name: str) -> Job:
    return queue.submit_model(name, f"Get {name}", {"repo": f"studio/{name}"}, "https://hub.example")


def panel_of(studio: Studio) -> QueuePanel:
    panel = QueuePanel(studio)
    panel.place()
    return panel


def strip_of(studio: Studio) -> str:
    panel = panel_of(studio)
    return str(panel.look()[panel.pane])


def test_each_lane_takes_its_own_jobs_in_the_order_asked(queue: JobQueue) -> None:
    first, clip, second = ask_for(queue, "a"), queue.submit(recipe(1)), ask_for(queue, "b")
    taken = [queue.lease("host/downloads", KINDS["downloads"]) for _ in range(3)]
    assert [job.id if job else None for job in taken] == [first.id, second.id, None]
    taken = [queue.lease("host/auto", KINDS["device"]) for _ in range(2)]
    assert [job.id if job else None for job in taken] == [clip.id, None]


def test_a_job_is_moved_among_those_of_its_lane(queue: JobQueue) -> None:
    clips = [queue.submit(recipe(n)) for n in range(2)]
    models = [ask_for(queue, name) for name in "ab"]
    clips.append(queue.submit(recipe(2)))
    queue.move(clips[2].id, -1)  # past the downloads, and one clip up
    queue.move(models[1].id, -1)
    order = [queue.lease("host/auto", KINDS["device"]) for _ in range(3)]
    assert [job.id for job in order if job] == [clips[0].id, clips[2].id, clips[1].id]
    order = [queue.lease("host/downloads", KINDS["downloads"]) for _ in range(2)]
    assert [job.id for job in order if job] == [models[1].id, models[0].id]


def test_a_worker_that_starts_puts_back_only_what_its_own_lane_left(queue: JobQueue) -> None:
    model, clip = ask_for(queue, "a"), queue.submit(recipe(1))
    for holder, lane in (("host/downloads", "downloads"), ("host/auto", "device")):
        assert queue.lease(holder, KINDS[lane]) is not None  # type: ignore[index]
    queue.reclaim("host/downloads")
    assert (queue.get(model.id).state, queue.get(clip.id).state) == ("queued", "running")


def test_a_queue_from_before_there_were_lanes_goes_on(settings: Settings) -> None:
    settings.jobs_dir.mkdir(parents=True)
    with sqlite3.connect(settings.jobs_dir / "jobs.db") as db:
        db.executescript(OLD_QUEUE)
        rows = [
            ("fetching", "model", "running", 1.0, holder_of(settings, "device"), 9e9),
            ("drawing", "plan", "queued", 2.0, None, None),
            ("fetched-next", "model", "queued", 3.0, None, None),
        ]
        db.executemany(
            "INSERT INTO job (id, kind, title, payload, state, position, created, lane, lease_until)"
            " VALUES (?, ?, '', '{}', ?, ?, 0, ?, ?)",
            rows,
        )
    queue = JobQueue(settings.jobs_dir)
    queue.reclaim(holder_of(settings, "device"))  # as the device's worker does when it starts
    job = queue.lease(holder_of(settings, "device"), KINDS["device"])
    assert job is not None and job.id == "drawing"
    taken = [queue.lease(holder_of(settings, "downloads"), KINDS["downloads"]) for _ in range(3)]
    assert [job.id if job else None for job in taken] == ["fetching", "fetched-next", None]


def test_each_lane_has_one_worker_and_is_told_apart_by_its_name(settings: Settings) -> None:
    for device in (None, "cuda:1"):
        at = settings.model_copy(update={"device": device})
        with lock_of(at, "device"), lock_of(at, "downloads"):
            assert lane_held_by(holder_of(at, "device")) == "device"
            assert lane_held_by(holder_of(at, "downloads")) == "downloads"


def test_the_page_counts_only_what_a_job_really_waits_for(settings: Settings) -> None:
    studio = Studio(settings)
    first, second, clip = ask_for(studio.queue, "a"), ask_for(studio.queue, "b"), studio.queue.submit(recipe(1))
    assert studio.queue.lease("host/downloads", KINDS["downloads"]) is not None
    assert saying(studio, studio.queue.get(second.id)) == "Waiting, 1 download before it."
    assert "before it" not in saying(studio, studio.queue.get(clip.id))
    strip = strip_of(studio)
    assert strip.index(f"job-{first.id}") < strip.index(f"job-{second.id}") < strip.index(f"job-{clip.id}")
    assert "Move up" not in strip and "Move down" not in strip, "neither has another of its lane beside it"


def test_the_status_line_is_about_the_worker_that_draws(settings: Settings) -> None:
    studio = Studio(settings)
    studio.queue.worker_seen("host/downloads", 1, "downloads", [], [])
    assert 'class="off"' in panel_of(studio).status_line() and "downloads" not in panel_of(studio).status_line()
    studio.queue.worker_seen("host/auto", 2, "NVIDIA H200", ["mini"], [])
    assert "NVIDIA H200" in panel_of(studio).status_line() and "In memory: mini" in panel_of(studio).status_line()


def test_a_download_worker_goes_when_there_is_nothing_to_fetch_though_a_page_is_open(settings: Settings) -> None:
    worker = Worker(settings.model_copy(update={"worker_idle_s": 0.0}), "downloads")
    worker.queue.client_seen("page")
    worker.run()  # returns
    worker.quit.set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_clip_is_made_while_a_model_comes_and_each_survives_its_own_worker(tmp_path: Path, hub: FakeHub) -> None:
    studio = studio_at(tmp_path / "data")
    # Longer silent than the render takes, however patient the download is.
    hub.faults[BIG] = [Fault(stall_after=3000)] + [Fault(stall_after=0)] * 20
    model = studio.get_model(REPO, as_name="fetched")
    part = studio.settings.models_dir / ".incoming" / "fetched.part" / f"{BIG}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 3000, 90)
    fetcher = studio.fetcher.started
    assert fetcher is not None and studio.keeper.started is None

    clip = studio.submit(
        UpscaleRequest(clip=studio.add_file(save_clip(tmp_path / "clip.mp4", 40)).key, scale=2, upscaler="tiny")
    )
    wait_for(lambda: studio.queue.get(clip.id).state == "running", 90)
    assert studio.queue.get(model.id).state == "running", "both at once"
    strip = strip_of(studio)
    assert strip.count('class="job running"') == 2 and "Downloading" in strip

    os.kill(fetcher.pid, signal.SIGKILL)
    fetcher.wait()
    wait_for(lambda: studio.keep_workers() or len(hub.asked(BIG)) > 1, 90)
    assert hub.asked(BIG)[1].start == 3000, "it goes on where it was"
    done = finish(studio, clip)
    assert done.state == "done" and done.crashes == 0, "the render never noticed"
    assert studio.queue.get(model.id).state == "running"

    studio.queue.stop(model.id)
    assert finish(studio, model, 30).state == "stopped"
    hub.faults.clear()
    studio.queue.retry(model.id)
    assert finish(studio, model, 60).state == "done"
    assert hub.asked(BIG)[-1].start == 3000 and studio.catalogue.spec("fetched", "text2video").path is not None
