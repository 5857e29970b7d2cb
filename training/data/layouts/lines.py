"""Captions in JSON Lines: {"file": "a.mp4", "caption": "a dog runs"}, one clip a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffscaler.datasets.shot import Fault
from training.data.layouts.finder import Finder
from training.data.layouts.listing import Entry, Listing, captions_in, decoded, gathered
from training.data.layouts.table import shown

FILES = ("file", "file_name", "filename", "path", "video", "video_path", "video_id", "videoid", "media_path")
CAPTIONS = ("caption", "captions", "text", "prompt", "description")


def fits_lines(path: Path) -> bool:
    """Whether the first line that is not empty names a clip and its caption."""
    try:
        with path.open("rb") as file:
            lines = decoded(file.read(65536)).split("\n")
        row = json.loads(next(line for line in lines if line.strip()))
    except (OSError, StopIteration, ValueError, RecursionError):
        return False
    return isinstance(row, dict) and any(key in row for key in FILES) and any(key in row for key in CAPTIONS)


def read_lines(paths: list[Path], root: Path) -> Listing:
    """Files of one folder, in order. A line that cannot be used is a fault and stops nothing."""
    finder = Finder(root)
    return gathered("captions in JSON Lines", (row for path in paths for row in rows_of(path, finder)))


def rows_of(path: Path, finder: Finder) -> Iterator[Entry | Fault]:
    """Each line of a file as a clip or a fault."""
    for number, line in enumerate(decoded(path.read_bytes()).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield Fault(where, "This line is not JSON.")
            continue
        yield entry_of(row, where, finder)


def entry_of(row: Any, where: str, finder: Finder) -> Entry | Fault:
    """A clip from an object that names it and says what it shows."""
    if not isinstance(row, dict):
        return Fault(where, "This line names no clip.")
    name = next((row[key] for key in FILES if isinstance(row.get(key), str | int)), "")
    clip = finder.find(str(name))
    if clip is None:
        return Fault(where, f"There is no clip {shown(str(name))} here.")
    return Entry(clip, next((found for key in CAPTIONS if (found := captions_in(row.get(key)))), ()), where)
