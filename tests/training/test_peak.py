"""The figure for memory is a peak, and this process's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MB = 2**20


def test_what_was_given_back_still_counts() -> None:
    # In a process of its own: what other tests gave back would be taken again first.
    words = (
        "import numpy, psutil; from training.peak import peak_resident_bytes; now = psutil.Process().memory_info;"
        f"before = now().rss; block = numpy.ones({200 * MB}, numpy.uint8); del block;"
        "print(before, now().rss, peak_resident_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after, peak = map(int, done.stdout.split())
    assert peak > before + 150 * MB > after


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone counts a parent's memory in ru_maxrss")
def test_memory_of_the_process_that_started_this_one_does_not_count() -> None:
    """As a training run is started by a worker with models in memory."""
    child = "from training.peak import peak_resident_bytes; print(peak_resident_bytes())"
    parent = (
        "import subprocess, sys; block = bytearray(800 * 2**20); block[:: 4096] = b'1' * len(block[:: 4096]);"
        f"sys.stdout.write(subprocess.run([sys.executable, '-c', {child!r}], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True)
    print(done.stdout)
    assert 10 * MB < int(done.stdout) < 750 * MB
