"""What people decide about shots, kept through every new preparing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diffscaler.datasets.changes import Changes, add_changes, with_changes
from diffscaler.datasets.manifest import Manifest, lock_of, read
from diffscaler.datasets.selection import Thresholds
from diffscaler.datasets.shot import Edit, Shot
from diffscaler.errors import InvalidRequest

MOST_CAPTION = 5000


def caption_shot(folder: Path, key: str, text: str, made: Manifest | None = None) -> Manifest:
    """Give a shot captions of its own, one a line; an empty text gives it back its clip's.

    made: the data set, by whoever has read it already
    The files that came with the clips stay as they are. Raises DatasetError, InvalidRequest, NotEnoughRoom.
    """
    if len(text) > MOST_CAPTION:
        raise InvalidRequest("That is too long for a caption.", "A sentence or two is all a model reads.")
    lines = tuple(dict.fromkeys(line for line in (" ".join(line.split()) for line in text.splitlines()) if line))
    return _change(folder, Changes(captions={key: lines or None}), made)


def leave_out(folder: Path, key: str, out: bool, made: Manifest | None = None) -> Manifest:
    """Take a shot out of training, or let it in again. made, errors: as caption_shot"""
    return _change(folder, Changes(left_out={key: out}), made)


def set_thresholds(folder: Path, thresholds: Thresholds, made: Manifest | None = None) -> Manifest:
    """Keep new limits. made, errors: as caption_shot"""
    return _change(folder, Changes(thresholds=thresholds), made)


def edits_of(manifest: Manifest) -> dict[str, Edit]:
    """Everything people decided about shots, by key."""
    own = {
        shot.key: Edit(shot.captions, shot.left_out)
        for _, shot in manifest.shots()
        if shot.captions is not None or shot.left_out
    }
    return {**manifest.edits, **own}


def with_edits(manifest: Manifest, edits: dict[str, Edit]) -> Manifest:
    """A manifest with people's decisions; those about shots it does not have wait until it has them."""
    waiting = dict(edits)

    def edited(shot: Shot) -> Shot:
        edit = edits.get(shot.key)
        waiting.pop(shot.key, None)
        return replace(shot, captions=edit.captions, left_out=edit.left_out) if edit else shot

    clips = tuple(replace(clip, shots=tuple(map(edited, clip.shots))) for clip in manifest.clips)
    return replace(manifest, clips=clips, edits=waiting)


def _change(folder: Path, changes: Changes, made: Manifest | None) -> Manifest:
    made = made or read(folder)
    if not changes.shots.issubset(shot.key for _, shot in made.shots()):
        raise InvalidRequest("That shot is not in this data set any more.", "Look at the grid again.")
    with lock_of(folder):
        add_changes(folder, changes)
    return with_changes(made, changes)
