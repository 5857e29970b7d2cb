"""How fast a model has drawn on this machine: the size of its latest clip, at the pace the library measured."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from diffscaler import plan
from diffscaler.errors import DiffScalerError
from diffscaler.jobs.lender import place_in
from diffscaler.library.clips import ClipLibrary
from diffscaler.library.rows import Clip, to_clip
from diffscaler.models.spec import ModelSpec
from diffscaler.predict import meta_of_plan, model_names, seconds_of
from diffscaler.progress import units
from diffscaler.wording import seconds_in_words


@dataclass(frozen=True)
class Speed:
    """A clip as a model drew it here. seconds: for drawing and decoding it, without loading the model;
    place: "NVIDIA H200, bfloat16", "" when nothing tells it any more."""

    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    seconds: float
    place: str = ""

    def __str__(self) -> str:
        frames = "1 frame" if self.num_frames == 1 else f"{self.num_frames} frames"
        steps = "1 step" if self.num_inference_steps == 1 else f"{self.num_inference_steps} steps"
        took = f"{frames} of {self.width}x{self.height}, {steps} took about {seconds_in_words(self.seconds)} here"
        return f"{took} ({self.place})" if self.place else took

    def row(self) -> dict[str, Any]:
        """For `--json` output."""
        return {**vars(self), "seconds": round(self.seconds, 1)}


def measured(library: ClipLibrary, spec: ModelSpec) -> Speed | None:
    """The speed of a text-to-video model, None when it never drew here or none of its clips is left to tell."""
    for clip in drawn_with(library, spec.name):
        # A clip of an earlier version, or one whose sources are gone, may not be told any more.
        with suppress(DiffScalerError, ValidationError):
            if speed := speed_of(library, clip, spec):
                return speed
    return None


def speed_of(library: ClipLibrary, clip: Clip, spec: ModelSpec) -> Speed | None:
    """How fast a model drew a clip, None when no part of it was drawn by the model and timed."""
    every = (node for node in plan.nodes(clip.node) if node.stage == "denoise" and node.models[0].name == spec.name)
    drawn = next(every, None)
    if drawn is None or library.pace(drawn.stage, model_names(drawn)) is None:
        return None
    meta = meta_of_plan(library, drawn)
    # Reading the prompt takes a moment; decoding grows with the clip as drawing does.
    decoding = (library.pace("decode", spec.name) or 0.0) * units(meta, 1.0)
    return Speed(
        meta.width,
        meta.height,
        meta.num_frames,
        int(drawn.params["num_inference_steps"]),
        seconds_of(library, drawn) + decoding,
        place_in(library.clip(drawn.key).notes, spec.title) if library.complete(drawn.key) else "",
    )


def drawn_with(library: ClipLibrary, name: str, limit: int = 3) -> list[Clip]:
    """The latest clips that a model drew, delivered ones included: what was made on the way to them may be trimmed."""
    # The first of a stage's models is who draws; the plan lists it so.
    named = json.dumps([[name, ""]]).removesuffix('""]]').replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    query = (
        "SELECT clip.*, 0 AS size_bytes FROM clip WHERE complete = 1 AND stage IN ('denoise', 'decode', 'encode')"
        " AND plan LIKE ? ESCAPE '\\' ORDER BY created DESC LIMIT ?"
    )
    with library.db.reading() as db:
        return [to_clip(row) for row in db.execute(query, (f"%{named}%", limit)).fetchall()]
