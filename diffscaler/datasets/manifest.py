"""The manifest of a data set: one JSON Lines file that is always whole, and what was changed since (changes.py).

The first line says what was prepared and how, each further one holds a clip with its shots, or a fault:

    {"format": "diffscaler-dataset", "version": 1, "folder": ..., "layout": ..., "thresholds": {...}, ...}
    {"clip": {"path": ..., "captions": [...], "shots": [{"start": 0, "stop": 48, "scores": {...}, ...}]}}
    {"fault": {"where": "captions.csv, line 7", "sentence": ...}}
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from diffscaler.datasets.changes import forget_changes, read_changes, with_changes
from diffscaler.datasets.selection import Thresholds, kept
from diffscaler.datasets.shot import Clip, Edit, Fault, Shot, row_of
from diffscaler.errors import DiffScalerError
from diffscaler.library.files import flush_to_disk, room_for

FORMAT, VERSION = "diffscaler-dataset", 1
NAME = "manifest.jsonl"
PICTURES = "pictures"


class DatasetError(DiffScalerError):
    """A data set that is not there or cannot be read."""


@dataclass(frozen=True)
class Manifest:
    """A prepared folder.

    folder: what was prepared, absolute; layout: what it was found to be, for people
    options: what decides the scores besides the files, see training/data/options.py
    complete: False while it is being prepared, and after Stop
    more_faults: how many there were beyond those listed
    edits: by key, of shots that are not here at present
    scorers: the models behind scores that a network gives, for people: field of Scores -> title
    """

    folder: str
    layout: str
    options: dict[str, Any] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)
    complete: bool = False
    more_faults: int = 0
    clips: tuple[Clip, ...] = ()
    faults: tuple[Fault, ...] = ()
    edits: dict[str, Edit] = field(default_factory=dict)
    scorers: dict[str, str] = field(default_factory=dict)

    def shots(self) -> Iterator[tuple[Clip, Shot]]:
        """Every shot with its clip, in order."""
        for clip in self.clips:
            for shot in clip.shots:
                yield clip, shot

    def kept(self) -> Iterator[tuple[Clip, Shot]]:
        """Those that the thresholds and people leave in."""
        return ((clip, shot) for clip, shot in self.shots() if kept(shot, self.thresholds))

    def digest(self) -> str:
        """SHA-256 of what a training run sees of it: contents, frames and captions, wherever the files lie."""
        found = hashlib.sha256()
        for clip, shot in self.kept():
            row = [clip.sha256, shot.start, shot.stop, clip.fps, clip.captions_of(shot)]
            found.update(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return found.hexdigest()


_HEAD, _CLIP, _FAULT = TypeAdapter(Manifest), TypeAdapter(Clip), TypeAdapter(Fault)


def manifest_path(path: Path) -> Path:
    """The manifest of a data set given by its folder, or by itself."""
    return path / NAME if path.is_dir() else path


def is_dataset(path: Path) -> bool:
    """Whether a path is a prepared data set's folder or manifest."""
    return (path.name == NAME and path.is_file()) or (path / NAME).is_file()


def read(path: Path) -> Manifest:
    """A data set given by its folder or its manifest, with every change people made. Raises DatasetError."""
    changes = read_changes(manifest_path(path).parent)
    return with_changes(read_written(path), changes)


def read_written(path: Path) -> Manifest:
    """A data set as it was written, without what was changed since. Raises DatasetError."""
    file = manifest_path(path)
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # captions may hold other line ends
    except FileNotFoundError:
        raise DatasetError(f"{path.name} has not been prepared: it has no {NAME}.", "Press Prepare first.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file.name} cannot be read.", "Prepare the folder again.") from error
    try:
        head = json.loads(lines[0])
        if head.pop("format") != FORMAT:
            raise DatasetError(f"{file.name} is no data set of this studio.", "Prepare the folder first.")
        if head.pop("version") != VERSION:
            raise DatasetError(f"{file.name} is of another version of the studio.", "Prepare the folder again.")
        rows = [json.loads(line) for line in lines[1:] if line.strip()]
        clips = tuple(_CLIP.validate_python(row["clip"]) for row in rows if "clip" in row)
        faults = tuple(_FAULT.validate_python(row["fault"]) for row in rows if "fault" in row)
        return replace(_HEAD.validate_python(head), clips=clips, faults=faults)
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, ValidationError, RecursionError) as error:
        raise DatasetError(
            f"{file.name} is damaged.", "Prepare the folder again: scores that are there stay."
        ) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in place, whole or not at all; it has in it what was changed. Raises NotEnoughRoom."""
    folder.mkdir(parents=True, exist_ok=True)
    head = asdict(replace(manifest, clips=(), faults=()))
    del head["clips"], head["faults"]
    part = folder / f"{NAME}.{os.getpid()}.part"
    with room_for("the list of shots"):
        try:
            with part.open("w", encoding="utf-8", errors="replace") as file:
                file.write(_line({"format": FORMAT, "version": VERSION, **head}))
                file.writelines(_line({"clip": row_of(clip)}) for clip in manifest.clips)
                file.writelines(_line({"fault": asdict(fault)}) for fault in manifest.faults)
            flush_to_disk(part)
            os.replace(part, folder / NAME)
            forget_changes(folder)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def lock_of(folder: Path) -> FileLock:
    """Held by whoever reads a manifest to write it again, and by whoever writes down a change."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "manifest.lock")


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
