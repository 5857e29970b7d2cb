"""Folders of throw-away training steps: held while the steps are under way, cleared when their process was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

#: Begins the name of a folder with what was measured; no model is called so.
PREFIX = ".measured-"
#: Ends the name of the folder of steps that are under way.
PART = ".part"
#: Ends the name of the file beside it that their process holds; the system lets go of it however the process ends.
LOCK = ".lock"


@contextmanager
def throwaway_folder(beside: Path, name: str) -> Iterator[Path]:
    """A path for a folder in `beside` that nobody clears while the block lasts; deleted at its end. Its name is new
    each time. Raises OSError where no file can be written."""
    beside.mkdir(parents=True, exist_ok=True)
    folder = beside / f"{PREFIX}{name}.{uuid.uuid4().hex[:12]}{PART}"
    # Held before there is a folder to clear, and beside it: Windows deletes no folder with an open file.
    lock = FileLock(_lock_of(folder))
    try:
        lock.acquire(timeout=0)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(lock)


def clear_killed(beside: Path) -> None:
    """Delete the folders in `beside` whose process ended without deleting them; those that are held stay."""
    for folder in beside.glob(f"{PREFIX}*{PART}"):
        lock = FileLock(_lock_of(folder))
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError, NotImplementedError):  # held, or a disk that is read-only or knows no locks
            continue
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(lock)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name.removesuffix(PART) + LOCK)


def _let_go(lock: FileLock) -> None:
    lock.release()
    with contextlib.suppress(OSError):  # Windows keeps a file that another process has opened
        os.unlink(lock.lock_file)
