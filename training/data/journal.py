"""Clips that were measured, one line each as soon as it is done: what Stop and a killed process leave to go on from."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from diffscaler.datasets.manifest import PICTURES
from diffscaler.datasets.shot import Clip, row_of
from diffscaler.library.files import room_for

NAME = "measured.jsonl"

_CLIP = TypeAdapter(Clip)


class Journal:
    """The measured clips of a data set's folder, by content. Lines of other options are passed over, never removed."""

    def __init__(self, folder: Path, options: str) -> None:
        """options: Options.digest()"""
        self.file, self.pictures, self.options = folder / NAME, folder / PICTURES, options
        self.clips: dict[str, Clip] = {}
        if not self.file.is_file():
            return
        data = self.file.read_bytes()
        for line in data.split(b"\n"):
            try:
                row = json.loads(line)
                if row["options"] == options:
                    clip = _CLIP.validate_python(row["clip"])
                    self.clips[clip.sha256] = clip
            except (ValueError, KeyError, TypeError, ValidationError, RecursionError):
                continue  # the line a killed process was writing
        if data and not data.endswith(b"\n"):
            self._append(b"\n")

    def known(self, sha256: str) -> Clip | None:
        """A clip by its content, if it was measured and its pictures are still there."""
        clip = self.clips.get(sha256)
        if clip is None or not all((self.pictures / shot.thumbnail).is_file() for shot in clip.shots):
            return None
        return clip

    def add(self, clip: Clip) -> None:
        """Keep a measured clip. Raises NotEnoughRoom."""
        self.clips[clip.sha256] = clip
        self._append(json.dumps({"options": self.options, "clip": row_of(clip)}).encode() + b"\n")

    def _append(self, data: bytes) -> None:
        with room_for("the scores"), self.file.open("ab") as file:
            file.write(data)
