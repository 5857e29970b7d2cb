"""Real worker processes, killed for real: the job goes on and ends in the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.jobs.job import Job
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.video.probe import probe
from tests.upscale.tiny import save_compact

FRAMES = 160
LONG = 320  # enough segments that five kills fall inside the work on a fast machine too


def studio_at(root: Path) -> Studio:
    studio = Studio(Settings(data_dir=root, worker_idle_s=2, device="cpu", threads=1))
    save_compact(studio.settings.models_dir / "upscalers" / "tiny.pth", num_feat=32, num_conv=8)
    return studio


def save_clip(path: Path, frames: int = FRAMES) -> Path:
    """A moving pattern, 96x64, 30 fps, with sound."""
    import av

    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30, width=96, height=64, pix_fmt="yuv420p")
        audio = out.add_stream("aac", rate=48000, layout="mono")
        for i in range(frames):
            x = np.arange(96)[None, :, None] + i * 3
            y = np.arange(64)[:, None, None]
            frame = np.concatenate([(x + y) % 256, (x * 2 + 0 * y) % 256, (y * 4 + 0 * x) % 256], axis=2).astype(
                np.uint8
            )
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        tone = (np.sin(np.arange(48000 * frames // 30) / 20) * 8000).astype(np.int16)[None]
        sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        sound.sample_rate = 48000
        out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def finish(studio: Studio, submitted: Job, seconds: float = 240) -> Job:
    until = time.monotonic() + seconds
    job = submitted
    for job in studio.follow(submitted.id):
        assert time.monotonic() < until, f"still {job.state} after {seconds} s: {job.progress}"
    return job


def digest(studio: Studio, job: Job) -> str:
    assert job.state == "done", (job.sentence, job.trace)
    return hashlib.sha256(studio.library.path(job.result or "").read_bytes()).hexdigest()


def stored_segments(studio: Studio) -> int:
    with sqlite3.connect(studio.library.db.path) as db:
        return int(db.execute("SELECT COUNT(*) FROM segment WHERE filename LIKE 'clips/%'").fetchone()[0])


def wait_for(condition: object, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def request_of(tmp_path: Path) -> object:
    path = save_clip(tmp_path / "clip.mp4", LONG)

    def make(studio: Studio) -> UpscaleRequest:
        return UpscaleRequest(clip=studio.add_file(path).key, scale=2, upscaler="tiny")

    return make


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_five_kills_end_in_the_same_bytes(tmp_path: Path, request_of: object) -> None:
    calm = studio_at(tmp_path / "calm")
    expected = digest(calm, finish(calm, calm.submit(request_of(calm))))  # type: ignore[operator]

    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    studio = studio_at(tmp_path / "stormy")
    job = studio.submit(request_of(studio))  # type: ignore[operator]
    kills = 0
    while kills < 5:
        studio.keeper.ensure()
        wait_for(lambda: studio.queue.get(job.id).state in ("running", "done"), 90)
        had = stored_segments(studio)
        # Somewhere inside the work: at random, most often while segments are being written.
        wait_for(lambda had=had: stored_segments(studio) > had or studio.queue.get(job.id).ended, 90)  # type: ignore[misc]
        assert not studio.queue.get(job.id).ended, "the clip is too short to be killed five times"
        time.sleep(chance.random() * 0.1)
        assert studio.keeper.started is not None
        os.kill(studio.keeper.started.pid, signal.SIGKILL)
        studio.keeper.started.wait()
        kills += 1
    assert digest(studio, finish(studio, job)) == expected


def test_a_failing_job_does_not_stop_the_queue_and_stop_keeps_what_was_made(tmp_path: Path, request_of: object) -> None:
    studio = studio_at(tmp_path / "data")
    (studio.settings.models_dir / "upscalers" / "broken.pth").write_bytes(b"nonsense")
    good = request_of(studio)  # type: ignore[operator]
    bad_job = studio.submit(good.model_copy(update={"upscaler": "broken"}))
    job = studio.submit(good)
    bad_job = finish(studio, bad_job)
    assert bad_job.state == "failed" and "not an upscaler" in bad_job.sentence and bad_job.hint

    wait_for(lambda: stored_segments(studio) >= 2)
    studio.queue.stop(job.id)
    assert finish(studio, job).state == "stopped"
    kept = stored_segments(studio)
    assert kept >= 2
    # What is finished can be had as a clip of its own, with its part of the sound.
    done = studio.finished(studio.queue.get(job.id))
    assert done is not None and 0 < done.num_frames < LONG == done.of and done.words.startswith("first ")
    part = finish(studio, studio.keep_finished(job.id))
    clip = studio.library.clip(part.result or "")
    assert clip.kept and clip.meta.num_frames == done.num_frames and "first" in clip.title
    info = probe(studio.library.path(clip.key))
    assert info.manifest is not None and info.manifest["part"] == done.words
    assert info.audio and abs(info.duration_s - done.num_frames / 30) < 0.2
    studio.queue.retry(job.id)
    job = finish(studio, job)
    assert job.state == "done"
    clip = studio.library.clip(job.result or "")
    assert clip.kept and clip.meta.num_frames == LONG and clip.meta.width == 192
    assert studio.finished(job) is None
    with pytest.raises(InvalidRequest, match="no frame"):
        studio.keep_finished(job.id)
    workers = studio.queue.workers()
    assert workers and "tiny" in workers[0]["resident"], "the model stays in memory between jobs"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_job_outlives_whoever_asked_for_it(tmp_path: Path, request_of: object) -> None:
    import subprocess

    studio = studio_at(tmp_path / "data")
    request = request_of(studio)  # type: ignore[operator]
    command = [sys.executable, "app.py", "upscale", request.clip, "--scale", "2", "--upscaler", "tiny"]
    asker = subprocess.Popen(
        [*command, "-o", str(tmp_path / "out.mp4")],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **studio.settings.environment(), "DIFFSCALER_NO_VENV": "1"},
    )
    wait_for(lambda: stored_segments(studio) >= 1, 90)
    asker.kill()
    asker.wait()
    (job,) = studio.queue.list()
    assert not job.ended
    wait_for(lambda: studio.queue.get(job.id).ended, 90)  # nobody watches, nobody keeps the worker
    assert studio.queue.get(job.id).state == "done"
