"""Captioned clips in memory or on disk, wherever they came from."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class ClipSet:
    """Captioned clips of one size and length.

    frames: uint8 RGB (N, F, H, W, 3); masks: uint8 (N, F, H/8, W/8), 0..255, where the subject is (255 = unknown)
    captions: for each clip one or more true captions, of which training picks one at random
    records: for each drawn clip the truth about it, the fields of its SceneSpec; empty for clips from elsewhere
    """

    frames: np.ndarray
    masks: np.ndarray
    captions: list[list[str]]
    records: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.captions)

    def save(self, folder: Path) -> None:
        """Write to `folder`, whole or not at all."""
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        np.save(part / "frames.npy", self.frames)
        np.save(part / "masks.npy", self.masks)
        (part / "records.json").write_text(json.dumps(self.records), encoding="utf-8")
        (part / "captions.json").write_text(json.dumps(self.captions), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)

    @classmethod
    def load(cls, folder: Path) -> ClipSet:
        """Read what `save` wrote; frames stay on disk until they are touched."""
        return cls(
            np.load(folder / "frames.npy", mmap_mode="r"),
            np.load(folder / "masks.npy"),
            json.loads((folder / "captions.json").read_text(encoding="utf-8")),
            json.loads((folder / "records.json").read_text(encoding="utf-8")),
        )
