"""Folders that are replaced whole: what a run needs to go on where it stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` at the end; an interruption leaves the old one."""
    part, old = folder.with_name(f"{folder.name}.part"), folder.with_name(f"{folder.name}.old")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    shutil.rmtree(old, ignore_errors=True)
    # A folder cannot be replaced in one step, so `newest` also looks for the moment between these two.
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def newest(folder: Path) -> Path | None:
    """Where `replacing` left the last whole version of `folder`; None when there is none."""
    old = folder.with_name(f"{folder.name}.old")
    return folder if folder.exists() else old if old.exists() else None
