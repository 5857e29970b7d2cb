"""Finding the clip that a line of a table names."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from diffscaler.video.pictures import natural_key
from training.data.layouts.listing import CLIP_SUFFIXES, PICTURE_SUFFIXES


class Finder:
    """Looks for clips in the folder of a table and below."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str, beside: str = "") -> Path | None:
        """The clip of a name: a path, a file's name, or one without its suffix; None when there is none.

        beside: the name of its folder, which decides between several of that name
        """
        name = name.strip()
        if not name:
            return None
        if os.path.isfile(direct := os.path.join(self.root, name)) or holds_pictures(direct):
            return Path(os.path.abspath(direct))
        last = re.split(r"[\\/]", name)[-1]
        stem, suffix = os.path.splitext(last)
        known = self._clips.get(stem if suffix.lower() in CLIP_SUFFIXES else last, [])
        named = [path for path in known if path.parent.name == beside]
        return (named or known or [None])[0]

    @cached_property
    def _clips(self) -> dict[str, list[Path]]:
        """Every clip below the folder, by its name without suffix: the disk is read once for thousands of rows."""
        found: dict[str, list[Path]] = {}
        for folder, files in walked(self.root):
            for file in files:
                if file.suffix.lower() in CLIP_SUFFIXES:
                    found.setdefault(file.stem, []).append(file)
            if any(file.suffix.lower() in PICTURE_SUFFIXES for file in files):
                found.setdefault(folder.name, []).append(folder)
        return found


def walked(root: Path) -> list[tuple[Path, list[Path]]]:
    """(folder, its files) for a folder and all below it, both in natural order; hidden ones and data sets left out."""
    from diffscaler.datasets.manifest import is_dataset

    found: list[tuple[Path, list[Path]]] = []
    for folder, folders, files in os.walk(root):
        at = Path(folder)
        folders[:] = [name for name in folders if not name.startswith((".", "__")) and not is_dataset(at / name)]
        folders.sort(key=lambda name: natural_key(Path(name)))
        kept = [at / name for name in files if not name.startswith(".")]
        found.append((at, sorted(kept, key=natural_key)))
    return found


def holds_pictures(folder: str) -> bool:
    """Whether a path is a folder of pictures."""
    try:
        return any(Path(name).suffix.lower() in PICTURE_SUFFIXES for name in os.listdir(folder))
    except (OSError, ValueError):
        return False
