"""From process start to the page served, beside an empty Gradio page started the same way."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks.result import Result
from diffscaler.settings import ROOT

EMPTY_PAGE = (
    "import sys, gradio as gr\n"
    "with gr.Blocks() as page:\n    gr.Markdown('empty')\n"
    "page.launch(server_name='127.0.0.1', server_port=int(sys.argv[1]), quiet=True)\n"
)
REPEATS = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seconds_to_page(command: list[str], port: int, environment: dict[str, str]) -> float:
    """Start a server, ask until its page is there, end it."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < 120:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    answer.read()
                return time.perf_counter() - began
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"the server ended with code {process.returncode}") from None
                time.sleep(0.02)
        raise RuntimeError("no page within 120 s")
    finally:
        process.terminate()
        process.wait(30)


def run(folder: Path) -> list[Result]:
    environment = {
        **os.environ,
        "DIFFSCALER_DATA_DIR": str(folder),
        "DIFFSCALER_WORKER_IDLE_S": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }

    def studio() -> float:
        port = free_port()
        command = [sys.executable, "app.py", "serve", "--no-browser", "--port", str(port)]
        return seconds_to_page(command, port, environment)

    def empty() -> float:
        port = free_port()
        return seconds_to_page([sys.executable, "-c", EMPTY_PAGE, str(port)], port, environment)

    studio(), empty()  # the first of each reads its files from disk
    # In turns, so that whatever else the machine does meets both.
    pairs = [(studio(), empty()) for _ in range(REPEATS)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [Result("startup", ours, "s", "an empty Gradio page", theirs, "lower")]
