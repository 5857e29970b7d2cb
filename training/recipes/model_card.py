"""What is written beside trained weights so that the studio lists and draws them: model.toml, and no path of this
machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: A model made of someone's clips is theirs, under the terms of the clips.
LICENCE = "yours; what it learnt from your clips is subject to their terms"


def write_card(folder: Path, title: str, tables: Mapping[str, Mapping[str, Any]], **rows: Any) -> None:
    """Write model.toml: `rows` first, then each table; entries that are None are left out."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in {"title": title, **rows}.items()]
    for name, table in tables.items():
        said = {key: value for key, value in table.items() if value is not None}
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in said.items())]
    (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def noise_said(shared: float) -> dict[str, str]:
    """A row for the card of a model that learnt from noise its frames share, which is not in its weights."""
    return {"description": f"Learnt with shared noise {shared:g}: draw with the same."} if shared else {}


def title_of(output_dir: str) -> str:
    """A model is called after its run's folder."""
    return Path(output_dir).resolve().name


def without_paths(folder: Path) -> None:
    """Take out of a saved pipeline's configurations where each part was loaded from."""
    for file in (*folder.glob("*/config.json"), *folder.glob("model_index.json")):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
