"""One run at a time per output folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training.events import RunError, StopSignal

#: An orphaned earlier run notices within a step that nobody waits for it, and then writes its checkpoint.
WAIT_S = 120.0


@contextmanager
def only_run_in(folder: Path, stop: StopSignal, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold `folder` against other runs; the lock goes with the process, however it ends.

    Raises RunError when another run still holds it after `wait_s`, or when this one is told to stop while it waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, deadline = FileLock(folder / "training.lock"), time.monotonic() + wait_s
    while True:
        try:
            lock.acquire(timeout=min(0.5, wait_s))
            break
        except Timeout:
            if stop or time.monotonic() >= deadline:
                raise RunError(
                    "Another training run is still using this folder.",
                    "Stop that run first, or choose another output folder.",
                ) from None
    try:
        yield
    finally:
        lock.release()
