"""Downloads from the queue: killed, stopped and continued, told in words, and without a trace of the token."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from diffscaler.jobs.job import Job
from diffscaler.jobs.queue import JobQueue
from diffscaler.jobs.run_fetch import FetchWatcher, Speed, fetch_progress, hub_for
from diffscaler.jobs.tokens import TokenBox
from diffscaler.jobs.worker import Worker
from diffscaler.models.source import RECORD
from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from tests.jobs.test_worker import finish, wait_for
from tests.models.fakehub import LOADED, REPO, FakeHub, Fault, files_below, source

BIG = "unet/diffusion_pytorch_model.safetensors"
TOKEN = "hf_secretsecret"


class Idle:
    """A worker keeper that starts nothing: the test is the worker."""

    def ensure(self) -> None:
        pass


@pytest.fixture
def studio(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Studio:
    studio = Studio(settings)
    monkeypatch.setattr(studio, "fetcher", Idle())
    return studio


def carry_out(studio: Studio) -> Job:
    """Do the next job here and now, as a worker would."""
    worker = Worker(studio.settings, "downloads")
    job = worker.queue.lease("here")
    assert job is not None
    worker.carry_out(job)
    return studio.queue.get(job.id)


def test_a_model_asked_for_is_installed_and_its_job_says_how_it_went(hub: FakeHub, studio: Studio) -> None:
    job = studio.get_model(REPO)
    assert (job.kind, job.title, job.payload["model"]) == ("model", f"Get {REPO}", "tiny")
    assert studio.get_model(REPO).id == job.id, "two clicks are one download"
    job = carry_out(studio)
    folder = studio.settings.models_dir / "tiny"
    assert (job.state, job.result, job.sentence) == ("done", str(folder), "")
    total = sum(len(hub.repos[REPO][name]) for name in LOADED)
    assert (job.progress["done"], job.progress["total"], job.progress["fraction"]) == (total, total, 1.0)
    assert job.progress["text"] == "Downloading, 14 kB of 14 kB"
    assert studio.catalogue.spec("tiny", "text2video").path == folder


def test_a_failure_is_a_sentence_a_hint_and_no_bug(hub: FakeHub, studio: Studio) -> None:
    studio.get_model("no/such")
    job = carry_out(studio)
    assert job.state == "failed" and "has no no/such" in job.sentence and job.hint


def test_stop_keeps_what_came_and_retry_continues(hub: FakeHub, studio: Studio) -> None:
    hub.faults[BIG] = [Fault(stall_after=5000)]
    job = studio.get_model(REPO)
    worker = Worker(studio.settings, "downloads")
    leased = worker.queue.lease("here")
    assert leased is not None
    thread = threading.Thread(target=worker.carry_out, args=(leased,))
    thread.start()
    part = studio.settings.models_dir / ".incoming" / "tiny.part" / f"{BIG}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 5000)
    studio.queue.stop(job.id)
    began = time.monotonic()
    worker.stop_asked.set()  # as the worker's heartbeat does when the queue says so
    thread.join(10)
    assert time.monotonic() - began < 1 and studio.queue.get(job.id).state == "stopped"
    studio.queue.retry(job.id)
    hub.seen.clear()
    assert carry_out(studio).state == "done"
    assert hub.asked(BIG)[0].start == 5000


def test_a_token_reaches_a_running_worker_and_is_written_nowhere_that_stays(hub: FakeHub, studio: Studio) -> None:
    hub.token = TOKEN
    studio.get_model(REPO, token=TOKEN)
    box = TokenBox(studio.queue.root)
    assert box.look("tiny") == TOKEN
    if sys.platform != "win32":
        assert (box.folder / "tiny").stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert carry_out(studio).state == "done"
    assert box.look("tiny") == ""
    assert everything_written(studio).find(TOKEN.encode()) < 0

    hub.token = "hf_another"
    studio.get_model(f"{REPO}@v2", as_name="other", token=TOKEN)
    job = carry_out(studio)
    assert job.state == "failed" and "HF_TOKEN" in job.hint
    assert box.look("other") == "" and everything_written(studio).find(TOKEN.encode()) < 0


def everything_written(studio: Studio) -> bytes:
    return b"".join(path.read_bytes() for path in studio.settings.data_dir.rglob("*") if path.is_file())


def test_a_token_outlives_the_worker_but_not_the_job(hub: FakeHub, studio: Studio) -> None:
    hub.token = TOKEN
    hub.faults[BIG] = [Fault(stall_after=100)]
    job = studio.get_model(REPO, token=TOKEN)
    worker = Worker(studio.settings, "downloads")
    leased = worker.queue.lease(worker.holder)
    assert leased is not None
    thread = threading.Thread(target=worker.carry_out, args=(leased,))
    thread.start()
    wait_for(lambda: hub.asked(BIG))
    worker.quit.set()  # the worker is told to go; the job is not
    thread.join(10)
    assert studio.queue.get(job.id).state == "queued"
    assert carry_out(studio).state == "done" and TokenBox(studio.queue.root).look("tiny") == ""


def test_a_workers_own_token_goes_only_to_its_own_hub(
    hub: FakeHub, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = studio.get_model(REPO)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub_for(job, "", studio.settings).token == TOKEN
    monkeypatch.setenv("HF_ENDPOINT", "https://elsewhere.example")
    assert hub_for(job, "", studio.settings).token == ""
    assert hub_for(job, "hf_given", studio.settings).token == "hf_given"
    assert hub_for(job, "", studio.settings).endpoint == hub.endpoint


def test_a_download_loads_no_network_library(hub: FakeHub, studio: Studio) -> None:
    studio.get_model(REPO)
    script = """
import sys
from diffscaler.jobs.worker import Worker
from diffscaler.settings import read_settings
worker = Worker(read_settings(), "downloads")
worker.carry_out(worker.queue.lease("here"))
print(sorted({"torch", "diffusers", "transformers", "cv2", "onnxruntime"} & set(sys.modules)))
"""
    environment = {**os.environ, **studio.settings.environment(), "NO_PROXY": "*"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    (job,) = studio.queue.list()
    assert job.state == "done", job


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_loses_nothing_that_arrived(hub: FakeHub, settings: Settings) -> None:
    hub.faults[BIG] = [Fault(stall_after=7000)]
    studio = Studio(settings)
    job = studio.get_model(REPO)
    part = settings.models_dir / ".incoming" / "tiny.part" / f"{BIG}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 7000, 90)
    running_job = studio.queue.get(job.id)
    assert running_job.progress["file"] == BIG and running_job.progress["what"] == "bytes"
    worker = studio.fetcher.started
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert finish(studio, job, 90).state == "done", "the next worker goes on"
    assert hub.asked(BIG)[-1].start == 7000
    assert files_below(settings.models_dir / "tiny") == LOADED | {RECORD}
    assert studio.keeper.started is None, "a download needs no worker that loads torch"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_speed_is_that_of_the_last_seconds_and_knows_nothing_of_earlier_tries() -> None:
    clock = Clock()
    speed = Speed(clock)
    speed.reached("fetch", 5_000_000_000)  # fetched yesterday
    assert speed.bytes_per_second is None
    for second in range(1, 61):
        clock.now += 1
        speed.reached("fetch", 5_000_000_000 + second * 1_000_000)
    assert speed.bytes_per_second == pytest.approx(1_000_000)
    for second in range(1, 11):
        clock.now += 1
        speed.reached("fetch", 5_060_000_000 + second * 10_000)
    assert speed.bytes_per_second == pytest.approx(10_000), "a line that became slow looks slow"
    clock.now += 3
    assert speed.bytes_per_second < 10_000, "and one that fell silent slower"  # type: ignore[operator]
    speed.reached("fetch", 5_000_000_000)  # a damaged file was dropped
    assert speed.bytes_per_second is None


def test_progress_in_words() -> None:
    row = fetch_progress("fetch", "unet/x.safetensors", 1_200_000_000, 6_900_000_000, 34_000_000.0)
    assert row["text"] == "Downloading, 1.2 GB of 6.9 GB, 34 MB/s, 3 min left (unet/x.safetensors)"
    assert row["fraction"] == pytest.approx(0.174, abs=0.001) and row["seconds_left"] == pytest.approx(167.6, abs=0.1)
    assert fetch_progress("list", "", 0, 0, None)["text"] == "Asking the hub what there is"
    assert fetch_progress("fetch", "a", 0, 10, 0.0)["text"] == "Downloading, 0 bytes of 10 bytes, nothing comes (a)"


def test_the_queue_is_told_as_often_as_a_person_can_see(queue: JobQueue) -> None:
    clock, told = Clock(), list[int]()
    job = queue.submit_model("tiny", "Get tiny", source().model_dump(), "https://hub.example")
    watcher = FetchWatcher(queue, job.id, lambda: False, clock)
    queue.report = lambda job_id, row: told.append(row["done"])  # type: ignore[method-assign]
    for done in range(1, 1001):
        clock.now += 0.001
        watcher.moment("fetch", "a", done, 1000)
    assert len(told) <= 6 and told[0] == 1 and told[-1] == 1000


@pytest.fixture
def queue(tmp_path: Path) -> JobQueue:
    return JobQueue(tmp_path / "jobs")
