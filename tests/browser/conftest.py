"""The real studio in a process of its own, and a Chromium that is already installed to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--autoplay-policy=no-user-gesture-required",
)


def chromium() -> str | None:
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def address(data_dir: Path, alone: None) -> Iterator[str]:
    """The address of a studio that was started as a person starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DIFFSCALER_DATA_DIR": str(data_dir), "DIFFSCALER_WORKER_IDLE_S": "5"}
    with (data_dir / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "app.py", "serve", "--port", str(port), "--no-browser"],
            cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, server, data_dir)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
        stop_worker(data_dir)


def wait_for(url: str, server: subprocess.Popen[bytes], data_dir: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert server.poll() is None, (data_dir / "server.log").read_text()
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError((data_dir / "server.log").read_text())


def stop_worker(data_dir: Path) -> None:
    """The worker outlives its server by design; a test ends it."""
    from diffscaler.jobs.queue import JobQueue

    for row in JobQueue(data_dir / "jobs").workers(within_s=60):
        try:
            os.kill(row["pid"], signal.SIGTERM)
        except ProcessLookupError:
            continue


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One browser at a time, in whatever process of the run: two on one machine outlast a person's patience."""
    if sys.platform == "win32" or not os.environ.get("PYTEST_XDIST_WORKER"):
        yield
        return
    import fcntl

    folder = tmp_path_factory.getbasetemp().parent
    with (folder / "browser.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def browser(alone: None) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    path = chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium: these tests must not be skipped there")
        pytest.skip("no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()
