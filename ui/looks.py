"""Preset chips: pictures to click that fill in a tab's controls."""

from __future__ import annotations

from html import escape
from typing import Any

from diffscaler.presets import preset, presets
from diffscaler.requests import Request
from diffscaler.studio import Studio


def chips(studio: Studio, kind: str, chosen: str = "") -> str:
    """The presets of a kind as buttons. A picture is an SVG file of assets/theme/looks, drawn inline."""
    made = []
    found = presets(studio.settings, kind)
    for name, table in sorted(found.items(), key=lambda item: item[1].get("order", 99)):
        title = escape(str(table.get("title", name)))
        pressed = str(name == chosen).lower()
        made.append(
            f'<button type="button" class="chip" data-do="preset" data-name="{escape(name)}" aria-pressed="{pressed}">'
            f"{drawing(studio, str(table.get('picture', '')))}<span>{title}</span></button>"
        )
    return f'<div class="chips" role="group" aria-label="Look">{"".join(made)}</div>' if made else ""


def drawing(studio: Studio, picture: str) -> str:
    """The SVG text of a chip's picture, "" when there is none. Names with folders in them are not looked for."""
    file = studio.settings.assets_dir / "theme" / "looks" / f"{picture}.svg"
    return file.read_text(encoding="utf-8") if picture.isidentifier() and file.is_file() else ""


def values_of(studio: Studio, kind: str, name: str, model: type[Request], names: list[str]) -> dict[str, Any]:
    """What choosing a preset puts into the controls `names`: its values, the defaults for everything else.

    Raises InvalidRequest when there is no such preset.
    """
    chosen = preset(studio.settings, kind, name)
    return {field: chosen.get(field, model.model_fields[field].default) for field in names}
