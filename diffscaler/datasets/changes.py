"""What people changed since a manifest was written: one short line each in a file beside it.

    {"shot": "3f0c...-0", "captions": ["a red car"]}      null: its clip's own again
    {"shot": "3f0c...-0", "left_out": true}
    {"thresholds": {"motion_min": 0.5, ...}}

Rewriting a manifest of ten thousand shots takes a third of a second, a line milliseconds. Lines say what is, not what
to do, so that reading them over a manifest that has them already changes nothing: a crash between writing a manifest
and removing the lines that went into it does no harm. Whoever reads both reads the lines first: they may go into the
manifest meanwhile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from diffscaler.datasets.selection import Thresholds
from diffscaler.datasets.shot import Clip, Edit, Shot
from diffscaler.library.files import room_for

if TYPE_CHECKING:
    from diffscaler.datasets.manifest import Manifest

NAME = "edits.jsonl"

_CAPTIONS, _THRESHOLDS = TypeAdapter(tuple[str, ...]), TypeAdapter(Thresholds)


@dataclass(frozen=True)
class Changes:
    """By a shot's key what was last said of it. captions: None for its clip's own; thresholds: None when unchanged"""

    captions: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    left_out: dict[str, bool] = field(default_factory=dict)
    thresholds: Thresholds | None = None

    @property
    def shots(self) -> set[str]:
        """Keys of the shots that something was said of."""
        return {*self.captions, *self.left_out}

    def rows(self) -> list[dict[str, Any]]:
        """As lines of the file."""
        rows: list[dict[str, Any]] = [{"shot": key, "captions": text} for key, text in self.captions.items()]
        rows += [{"shot": key, "left_out": out} for key, out in self.left_out.items()]
        return rows + ([{"thresholds": asdict(self.thresholds)}] if self.thresholds else [])


def read_changes(folder: Path) -> Changes:
    """What was changed since the manifest in `folder` was written. A line that a crash cut short is passed over."""
    found = Changes()
    with suppress(FileNotFoundError):
        for line in (folder / NAME).read_bytes().split(b"\n"):
            with suppress(ValueError, KeyError, TypeError, AttributeError, ValidationError, RecursionError):
                row = json.loads(line)
                if "thresholds" in row:
                    found = replace(found, thresholds=_THRESHOLDS.validate_python(row["thresholds"]))
                elif "captions" in row:
                    said = row["captions"]
                    found.captions[str(row["shot"])] = None if said is None else _CAPTIONS.validate_python(said)
                else:
                    found.left_out[str(row["shot"])] = bool(row["left_out"])
    return found


def add_changes(folder: Path, changes: Changes) -> None:
    """Write changes down, on the disk when this returns; hold the manifest's lock. Raises NotEnoughRoom."""
    data = b"".join(json.dumps(row, ensure_ascii=True).encode() + b"\n" for row in changes.rows())
    with room_for("what was changed"), (folder / NAME).open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            data = data if file.read(1) == b"\n" else b"\n" + data  # a crash may have cut the last line
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def forget_changes(folder: Path) -> None:
    """The manifest that was just written has them all; hold its lock."""
    with suppress(OSError):  # somebody may be reading it, on Windows: read again it changes nothing
        (folder / NAME).unlink(missing_ok=True)


def with_changes(manifest: Manifest, changes: Changes) -> Manifest:
    """A manifest as people changed it. What is said of shots it does not have waits among its edits."""
    keys = changes.shots
    clips = manifest.clips
    if keys:
        clips = tuple(_changed(clip, changes) if any(s.key in keys for s in clip.shots) else clip for clip in clips)
    gone = keys.difference(shot.key for clip in clips for shot in clip.shots) if keys else set()
    return replace(
        manifest,
        clips=clips,
        thresholds=changes.thresholds or manifest.thresholds,
        edits={**manifest.edits, **{key: _edit(manifest.edits, key, changes) for key in gone}},
    )


def _changed(clip: Clip, changes: Changes) -> Clip:
    return replace(clip, shots=tuple(_changed_shot(clip, shot, changes) for shot in clip.shots))


def _changed_shot(clip: Clip, shot: Shot, changes: Changes) -> Shot:
    made = replace(shot, left_out=changes.left_out.get(shot.key, shot.left_out))
    if shot.key in changes.captions:
        said = changes.captions[shot.key]
        made = replace(made, captions=None if not said or said == clip.captions else said)
        if clip.captions_of(made) != clip.captions_of(shot):  # other words, which nothing has been compared with
            made = replace(made, scores=replace(shot.scores, clip=None))
    return made


def _edit(edits: Mapping[str, Edit], key: str, changes: Changes) -> Edit:
    before = edits.get(key, Edit(None, False))
    return Edit(changes.captions.get(key, before.captions), changes.left_out.get(key, before.left_out))
