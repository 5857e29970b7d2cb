"""What people decide about shots, kept through every new preparing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diffscaler.datasets.manifest import Manifest, change
from diffscaler.datasets.selection import Thresholds
from diffscaler.datasets.shot import Clip, Edit, Shot
from diffscaler.errors import InvalidRequest

MOST_CAPTION = 5000


def caption_shot(folder: Path, key: str, text: str) -> Manifest:
    """Give a shot captions of its own, one a line; an empty text gives it back its clip's.

    The files that came with the clips stay as they are. Raises DatasetError, InvalidRequest.
    """
    if len(text) > MOST_CAPTION:
        raise InvalidRequest("That is too long for a caption.", "A sentence or two is all a model reads.")
    lines = tuple(dict.fromkeys(line for line in (" ".join(line.split()) for line in text.splitlines()) if line))

    def captioned(clip: Clip, shot: Shot) -> Shot:
        return replace(shot, captions=None if not lines or lines == clip.captions else lines)

    return change(folder, lambda manifest: _with_shot(manifest, key, captioned))


def leave_out(folder: Path, key: str, out: bool) -> Manifest:
    """Take a shot out of training, or let it in again. Raises DatasetError, InvalidRequest."""
    return change(folder, lambda manifest: _with_shot(manifest, key, lambda _, shot: replace(shot, left_out=out)))


def set_thresholds(folder: Path, thresholds: Thresholds) -> Manifest:
    """Keep new limits. Raises DatasetError."""
    return change(folder, lambda manifest: replace(manifest, thresholds=thresholds))


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


def _with_shot(manifest: Manifest, key: str, how: Callable[[Clip, Shot], Shot]) -> Manifest:
    if all(shot.key != key for _, shot in manifest.shots()):
        raise InvalidRequest("That shot is not in this data set any more.", "Look at the grid again.")
    clips = tuple(
        replace(clip, shots=tuple(how(clip, shot) if shot.key == key else shot for shot in clip.shots))
        for clip in manifest.clips
    )
    return replace(manifest, clips=clips)
