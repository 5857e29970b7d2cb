"""`python app.py test`: pytest, a part of the files in each of several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: A process holds torch and starts a worker of its own: about 2 GB with what its tests make.
MOST_PROCESSES = 4


def side_by_side(argv: Sequence[str], root: Path, cores: int) -> list[str]:
    """pytest's arguments for `cores` processes; none where the person names files, or says how many processes.

    Files stay whole, for their tests share what takes long to make, and in the order of tests/conftest.py.
    """
    names = any((root / word.partition("::")[0]).exists() for word in argv)
    if names or cores < 2 or any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in argv):
        return []
    return ["-n", str(min(cores, MOST_PROCESSES)), "--dist", "loadfile", "--no-loadscope-reorder"]


def run_tests(argv: Sequence[str], root: Path) -> int:
    """Run pytest in `root`; returns its exit code."""
    more = side_by_side(argv, root, os.cpu_count() or 1)
    # Tiny networks gain nothing from more threads, and processes that each take every core wait for each other.
    environment = {"OMP_NUM_THREADS": "1", **os.environ} if more else dict(os.environ)
    return subprocess.call([sys.executable, "-m", "pytest", *more, *argv], cwd=root, env=environment)
