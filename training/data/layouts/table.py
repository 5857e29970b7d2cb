"""Captions in a table: WebVid's CSV (videoid, contentUrl, duration, page_dir, name) and its simpler relatives."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from diffscaler.datasets.shot import Fault
from training.data.layouts.finder import Finder
from training.data.layouts.listing import Entry, Listing, captions_in, decoded, gathered

NAMES = ("videoid", "video_id", "file", "file_name", "filename", "path", "video", "video_path", "contenturl")
CAPTIONS = ("name", "caption", "text", "prompt", "description")


def fits_table(path: Path) -> bool:
    """Whether a CSV has a column that names clips and one that describes them."""
    try:
        with path.open("rb") as file:
            head = decoded(file.read(65536))
        name, caption, _ = columns(next(csv.reader([head.splitlines()[0]])))
    except (OSError, IndexError, StopIteration, csv.Error):
        return False
    return bool(name) and bool(caption)


def read_table(paths: list[Path], root: Path) -> Listing:
    """Tables of one folder, in order. A row without its clip or caption is a fault and stops nothing."""
    webvid = any(fits_webvid(path) for path in paths)
    finder = Finder(root)
    rows = (row for path in paths for row in rows_of(path, finder))
    return gathered("a table as WebVid has it" if webvid else "a table of captions", rows)


def fits_webvid(path: Path) -> bool:
    """Whether the first line is WebVid's."""
    with path.open("rb") as file:
        head = decoded(file.read(4096)).split("\n")[0].lower()
    return "videoid" in head and "page_dir" in head


def rows_of(path: Path, finder: Finder) -> Iterator[Entry | Fault]:
    """Each row of a table as a clip or a fault."""
    rows = csv.reader(io.StringIO(decoded(path.read_bytes()), newline=""))
    head: list[str] | None = None
    while True:
        where = f"{path.name}, line {rows.line_num + 1}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield Fault(where, "This line cannot be read.")
            continue
        if head is None:
            head = row
            name_columns, caption_columns, folder_column = columns(head)
        elif any(cell.strip() for cell in row):
            cells = dict(zip(head, row, strict=False))
            names = [cells.get(column, "") for column in name_columns]
            beside = cells.get(folder_column, "")
            clip = next((clip for name in names if (clip := finder.find(name, beside))), None)
            captions = captions_in([cells.get(column, "") for column in caption_columns[:1]])
            if clip is None:
                yield Fault(where, f"There is no clip {shown(names[0] if names else '')} here.")
            else:
                if not captions:
                    yield Fault(where, f"{clip.name} has no caption there: it goes without.")
                yield Entry(clip, captions, where)


def columns(head: list[str]) -> tuple[list[str], list[str], str]:
    """(columns that name the clip, columns that describe it, best first; the one that names its folder)."""
    known = {title.strip().lower(): title for title in reversed(head)}
    return (
        [known[name] for name in NAMES if name in known],
        [known[name] for name in CAPTIONS if name in known],
        known.get("page_dir", ""),
    )


def shown(name: str) -> str:
    """A name from a file, short and printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:80] or "(no name)"
