"""What is known about a model without loading it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ModelKind = Literal["text2video", "upscaler", "face_detector", "face_swapper", "face_recognizer"]


class ModelSpec(BaseModel):
    """One model a person can pick or a stage needs.

    path: its file or folder; None: its files come with a Python package
    loader: "module:function", called as loader(spec, device) in the worker
    working_bytes: memory it takes once loaded (weights and what it needs to work), an upper estimate
    scale: upscalers: output size over input size
    native: text to video: the request fields it was trained for (width, height, num_frames, fps, ...)
    preview: True for the small built-in networks; page and file then say "preview engine"
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    title: str
    kind: ModelKind
    loader: str
    path: Path | None = None
    package: str | None = None
    licence: str = "unknown"
    commercial: bool = False
    built_in: bool = False
    preview: bool = False
    working_bytes: int = 0
    scale: int = 1
    native: dict[str, Any] = {}
    description: str = ""

    def load(self, device: Any) -> Any:
        """Load the model. Raises ModelNotFound when its files are missing or not what they should be."""
        module, _, function = self.loader.partition(":")
        return getattr(import_module(module), function)(self, device)
