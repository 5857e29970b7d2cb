"""Which layout a folder has."""

from __future__ import annotations

from pathlib import Path

from diffscaler.datasets.manifest import is_dataset
from diffscaler.video.pictures import natural_key
from training.data.layouts.files import captioned, read_files
from training.data.layouts.lines import fits_lines, read_lines
from training.data.layouts.listing import CLIP_SUFFIXES, Listing, gathered
from training.data.layouts.msrvtt import fits_msrvtt, read_msrvtt
from training.data.layouts.table import fits_table, read_table
from training.events import RunError

LAYOUTS = (
    "Clips with a .txt of the same name, folders of frames with a prompt.txt, a CSV as WebVid has it, MSR-VTT's JSON, "
    "captions in JSON Lines, or footage without captions will do."
)

#: Suffix -> (whether a file of it holds captions, its reader). A list of captions counts before the clips beside it.
TABLES = {
    ".jsonl": (fits_lines, read_lines),
    ".csv": (fits_table, read_table),
    ".json": (fits_msrvtt, read_msrvtt),
}


def read_layout(path: Path) -> Listing:
    """Find out how a folder keeps its clips, or what a file lists, and list them; no clip is opened.

    Raises RunError when there is nothing of the kind.
    """
    if is_dataset(path):
        raise RunError(f"{path.name} is prepared already.", "Give the folder of the clips themselves.")
    if path.is_file():
        return of_file(path)
    if not path.is_dir():
        raise RunError(f"There is no folder {path}.", LAYOUTS)
    try:
        files = sorted((file for file in path.iterdir() if file.is_file()), key=natural_key)
    except OSError:
        raise RunError(f"{path.name} could not be opened.", "Check that you may read this folder.") from None
    for suffix, (fits, read) in TABLES.items():
        tables = [file for file in files if file.suffix.lower() == suffix and fits(file)]
        if tables:
            return read(tables, path)
    listing = read_files(path)
    if not listing.entries:
        raise RunError(f"There are no clips in {path}.", LAYOUTS)
    return listing


def of_file(path: Path) -> Listing:
    """A list of captions, or one clip."""
    suffix = path.suffix.lower()
    if suffix in TABLES and TABLES[suffix][0](path):
        return TABLES[suffix][1]([path], path.parent)
    if suffix in CLIP_SUFFIXES:
        listing = gathered("", captioned(path.parent, path, path.with_suffix(".txt")))
        title = "one clip" if listing.entries[0].captions else "one clip, without a caption"
        return Listing(title, listing.entries, listing.faults)
    raise RunError(f"{path.name} is neither a clip nor a list of captions.", LAYOUTS)
