"""What a family of text-to-video models can do: one TOML file in presets/families for each.

A checkpoint's own model.toml or presets/models file may say otherwise in its [native] and [traits] tables.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from diffscaler.errors import ModelNotFound
from diffscaler.settings import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FAMILIES = ROOT / "presets" / "families"


class Traits(BaseModel):
    """Limits and abilities.

    frame_step: legal lengths are multiples of it, plus 1 where frame_offset is 1 (4 and 1: 1, 5, 9, ...)
    size_step: width and height are multiples of it, in pixels
    buckets: (width, height) pairs it was trained on; empty: any size of about the native area
    windows: whether clips longer than max_frames can be drawn in overlapping windows
    words: whether it reads a prompt; image: whether it starts from a picture; redraws: whether it redraws a clip
    samplers: names a request may ask for besides "native"; reuse: whether results of steps can be used twice
    control: whether a ControlNet can lead it; loras: whether LoRA files can be laid over it
    references: whether an IP-Adapter can show it a picture
    refines: whether FreeInit can draw it again from its own coarse shape
    rescales: whether guidance can be rescaled; shares_noise: whether a request may say what frames share of their noise
    smooths: whether it can take the background of all frames from the first; sounds: whether its clips come with sound
    min_steps: the fewest sampler steps it can be drawn in
    pans: whether its camera can be moved over a plate, where its word list says so (text2video/plate.py)
    guided: whether its hold to the prompt was built in by distillation: it takes no other, and nothing to keep out
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_step: int = 1
    frame_offset: int = 0
    size_step: int = 8
    buckets: tuple[tuple[int, int], ...] = ()
    windows: bool = False
    words: bool = True
    image: Literal["none", "optional", "needed"] = "none"
    redraws: bool = False
    samplers: tuple[str, ...] = ()
    reuse: bool = False
    control: bool = False
    loras: bool = False
    references: bool = False
    refines: bool = False
    rescales: bool = False
    shares_noise: bool = False
    smooths: bool = False
    sounds: bool = False
    min_steps: int = 1
    pans: bool = False
    guided: bool = False

    def legal_frames(self, num_frames: int) -> int:
        """The nearest length this family can draw, never less than its shortest."""
        shortest = 1 if self.frame_offset else self.frame_step
        return max(
            shortest, round((num_frames - self.frame_offset) / self.frame_step) * self.frame_step + self.frame_offset
        )


class FamilyCard(BaseModel):
    """A family's file. pipelines: class names in model_index.json; loader: "module:class" that runs them;
    native: request fields where a checkpoint does not say them; parts: other traits of checkpoints that have a part of
    this name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    pipelines: tuple[str, ...]
    loader: str
    native: dict[str, Any] = {}
    traits: Traits = Traits()
    parts: dict[str, dict[str, Any]] = {}

    def of(self, index: dict[str, Any]) -> FamilyCard:
        """The card of a checkpoint, by its model_index.json."""
        there = [name for name in self.parts if isinstance(row := index.get(name), list) and any(row)]
        changes = {key: value for name in there for key, value in self.parts[name].items()}
        return self.model_copy(update={"traits": Traits(**self.traits.model_dump() | changes)}) if changes else self


def read_families(folder: Path = FAMILIES) -> list[FamilyCard]:
    """The families of every TOML file in a folder."""
    return list(_read(tuple((file, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.toml")))))


@lru_cache(maxsize=4)
def _read(files: tuple[tuple[Path, int], ...]) -> tuple[FamilyCard, ...]:
    # The times are part of the key: a file that changed is read again.
    return tuple(
        FamilyCard.model_validate({"name": file.stem, **tomllib.loads(file.read_text(encoding="utf-8"))})
        for file, _ in files
    )


def identify(path: Path, name: str | None = None, folder: Path = FAMILIES) -> FamilyCard:
    """The family of a model's folder: the one its own table names, or that of the pipeline in model_index.json.

    Raises ModelNotFound, with the reason.
    """
    families = read_families(folder)
    if name is not None:
        for family in families:
            if family.name == name:
                return family
        raise ModelNotFound(f"{path.name} is of a family {str(name)[:60]!r}, which is unknown.", known(families))
    try:
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        class_name = str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(f"{path.name} is not a diffusers folder.", "It needs a model_index.json.") from error
    for family in families:
        if class_name in family.pipelines:
            return family.of(index)
    raise ModelNotFound(f"{path.name} is a {class_name[:60]}, which is not supported yet.", known(families))


def known(families: list[FamilyCard]) -> str:
    return f"Supported: {', '.join(family.title for family in families)}."
