"""What is known about a model without loading it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from diffscaler.models.source import ModelSource
from diffscaler.models.traits import FamilyCard, Traits

ModelKind = Literal[
    "text2video",
    "lora",
    "controlnet",
    "ip_adapter",
    "image_encoder",
    "depth_estimator",
    "pose_estimator",
    "person_detector",
    "segmenter",
    "caption_scorer",
    "aesthetic_head",
    "upscaler",
    "interpolator",
    "face_detector",
    "face_swapper",
    "face_recognizer",
    "identity_converter",
    "face_restorer",
    "face_parser",
    "face_occluder",
    "face_landmarker",
]


class ModelSpec(BaseModel):
    """One model a person can pick or a stage needs.

    path: its file or folder; None: its files come with a Python package
    loader: "module:function", called as loader(spec, device) in the worker
    working_bytes: memory it takes once loaded (weights and what it needs to work), an upper estimate
    scale: upscalers: output size over input size
    native: text to video: the request fields it was trained for (width, height, num_frames, fps, ...)
    family: text to video: who runs it; None when its folder is of no family this studio knows
    traits: text to video: limits and abilities
    preview: True for the small built-in networks; page and file then say "preview engine"
    source: where its files can be fetched from; gated: whether that asks to accept a licence first
    download_bytes: size of the download as the hub told it; 0: not known before it is asked
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
    family: FamilyCard | None = None
    traits: Traits = Traits()
    description: str = ""
    source: ModelSource | None = None
    gated: bool = False
    download_bytes: int = 0

    def load(self, device: Any) -> Any:
        """Load the model. Raises ModelNotFound when its files are missing or not what they should be."""
        module, _, function = self.loader.partition(":")
        return getattr(import_module(module), function)(self, device)


class Known(BaseModel):
    """A model of the catalogue, installed or not.

    linked: its files lie outside the models folder and are not the studio's to delete
    part_bytes: how much of a download has arrived that is not finished
    """

    model_config = ConfigDict(frozen=True)

    spec: ModelSpec
    installed: bool
    linked: bool = False
    part_bytes: int = 0
