"""MSR-VTT's JSON: {"videos": [{"video_id": ...}], "sentences": [{"video_id": ..., "caption": ...}]}.

Also the plain list that others made of it, [{"video_id": ..., "caption": [...]}].
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffscaler.datasets.shot import Fault
from training.data.layouts.finder import Finder
from training.data.layouts.lines import entry_of
from training.data.layouts.listing import Entry, Listing, captions_in, decoded, gathered
from training.data.layouts.table import shown

TITLE = "MSR-VTT's JSON"


def fits_msrvtt(path: Path) -> bool:
    """Whether a JSON file holds sentences about videos."""
    try:
        data = json.loads(decoded(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False
    if isinstance(data, dict):
        return isinstance(data.get("sentences"), list) and isinstance(data.get("videos", []), list)
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and "caption" in data[0]


def read_msrvtt(paths: list[Path], root: Path) -> Listing:
    """Files of one folder, in order. Every sentence of a video is kept."""
    finder = Finder(root)
    return gathered(TITLE, (row for path in paths for row in rows_of(path, finder)))


def rows_of(path: Path, finder: Finder) -> Iterator[Entry | Fault]:
    """Each video of a file as a clip or a fault."""
    try:
        data = json.loads(decoded(path.read_bytes()))
    except (ValueError, RecursionError):
        yield Fault(path.name, "This file is not JSON.")
        return
    if isinstance(data, list):
        for number, row in enumerate(data, 1):
            yield entry_of(row, f"{path.name}, item {number}", finder)
    elif isinstance(data, dict):
        yield from of_sentences(data, path.name, finder)


def of_sentences(data: dict[str, Any], file: str, finder: Finder) -> Iterator[Entry | Fault]:
    """Videos in the order they are listed, then those that only sentences name."""
    said: dict[str, list[str]] = {}
    rows = [row for name in ("videos", "sentences") if isinstance(rows := data.get(name), list) for row in rows]
    for number, row in enumerate(rows, 1):
        name = row.get("video_id") if isinstance(row, dict) else None
        if not isinstance(name, str | int):
            yield Fault(f"{file}, item {number}", "It names no video.")
            continue
        said.setdefault(str(name), []).extend(captions_in(row.get("caption")))
    for name, captions in said.items():
        where = f"{file}, {shown(name)}"
        clip = finder.find(name)
        if clip is None:
            yield Fault(where, f"There is no clip {shown(name)} here.")
        else:
            yield Entry(clip, tuple(dict.fromkeys(captions)), where)
