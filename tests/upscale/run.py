"""A stage run alone, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffscaler.stage import StageContext


def context(start: int = 0, **given: Any) -> StageContext:
    """What a stage without models and files needs. given: fields to have otherwise."""
    nothing: Any = lambda *_: None  # noqa: E731
    values: dict[str, Any] = {
        "acquire": nothing, "step": nothing, "preview": nothing, "note": nothing, "scratch": Path(),
        "unfinished": Path(), "media_path": nothing, "media_name": nothing, "recipe": {},
    }  # fmt: skip
    return StageContext(start=start, **values | given)
