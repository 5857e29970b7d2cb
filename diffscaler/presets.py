"""Presets: TOML tables of request fields, checked by the request model like anything else a person sends."""

from __future__ import annotations

import sys
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def presets(settings: Settings, kind: str) -> dict[str, dict[str, Any]]:
    """All presets of a kind ("text2video", "upscale") by name; `title` is for the page, the rest are fields."""
    folder = settings.presets_dir / kind
    return {file.stem: tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.toml"))}


def preset(settings: Settings, kind: str, name: str) -> dict[str, Any]:
    """The fields of one preset. Raises InvalidRequest."""
    found = presets(settings, kind)
    if name not in found:
        raise InvalidRequest(f"There is no preset {name[:60]!r}.", f"There are: {', '.join(found)}.")
    return {key: value for key, value in found[name].items() if key not in ("title", "picture", "order")}
