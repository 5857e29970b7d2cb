"""Models that are used where they lie: a small TOML file in the models folder says where that is."""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.models.annotators import DOES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEAD = "# Written by `python app.py models add`. Without this file the studio forgets the model; its own files stay.\n"


def read_links(models_dir: Path) -> dict[str, dict[str, Any]]:
    """Model name -> what its file says: path and kind. A file that says neither is passed over: it may be anything."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(models_dir.glob("*.toml")):
        try:
            row = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", file.stem)
        if (
            plain
            and isinstance(row.get("path"), str)
            and row.get("kind") in ("text2video", "upscaler", "interpolator", *DOES, None)
        ):
            found[file.stem] = row
    return found


def write_link(models_dir: Path, name: str, path: Path, kind: str | None) -> Path:
    """Note that the model `name` lies at `path`. kind: None for a model that presets describe.

    Raises InvalidRequest when the path cannot be written down.
    """
    row = {"path": str(path)} | ({"kind": kind} if kind else {})
    text = HEAD + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in row.items())
    file = link_path(models_dir, name)
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        told = tomllib.loads(text)
        part.write_text(text, encoding="utf-8")
    except (ValueError, UnicodeError):
        told = {}
    if told != row:
        part.unlink(missing_ok=True)
        raise InvalidRequest("That path has characters that cannot be written down.", "Rename the folder, or --copy.")
    os.replace(part, file)
    return file


def link_path(models_dir: Path, name: str) -> Path:
    """The file that says where the model `name` lies."""
    return models_dir / f"{name}.toml"
