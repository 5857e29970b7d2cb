"""Models that were trained here from another one, and the requests that draw the same shots with both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import Text2VideoRequest
from diffscaler.sampling_choices import takes
from diffscaler.studio import Studio
from ui import run_file

#: Options of a run that say which model it changed; the first that is set does. A decoder is put into a model.
BEGAN_WITH = ("into", "pretrained_model_name_or_path", "init")

#: What a clip is: two models must agree in it, or the same seed begins from other noise.
SHAPE = ("width", "height", "num_frames")


@dataclass(frozen=True)
class Tuned:
    """made: the trained model, or LoRA; base: the model it was begun with, both installed"""

    made: ModelSpec
    base: ModelSpec

    @property
    def is_lora(self) -> bool:
        return self.made.kind == "lora"

    def requests(self, prompt: str, seed: int | None, count: int) -> list[tuple[Text2VideoRequest, Text2VideoRequest]]:
        """(by the base, by the tuned model) for `count` seeds that follow each other; None picks the first.

        Size and length are those the tuned model was trained for; steps and guidance are each model's own, for one that
        was distilled draws in fewer. Raises ValidationError.
        """
        shape: dict[str, Any] = {}
        if not self.is_lora and any(self.made.native.get(name) != self.base.native.get(name) for name in SHAPE):
            shape = {name: self.made.native[name] for name in SHAPE if name in self.made.native}
        first = Text2VideoRequest(prompt=prompt, model=self.base.name, seed=seed, **shape)
        own = {"loras": f"{self.made.name}:1"} if self.is_lora else {"model": self.made.name}
        return [(base, base.model_copy(update=own)) for base in takes(first, count)]


def tuned_models(studio: Studio) -> list[Tuned]:
    """Those whose base is still installed, in the order of the model list."""
    specs = studio.catalogue.specs()
    drawing = [spec for spec in specs if spec.kind == "text2video" and spec.family is not None]
    found = []
    for spec in specs:
        if spec.kind in ("text2video", "lora") and spec.path is not None and (run := run_of(studio, spec.path)):
            base = base_of(run, drawing)
            if base is not None and base.name != spec.name:
                found.append(Tuned(spec, base))
    return found


def tuned_model(studio: Studio, name: str) -> Tuned:
    """Raises InvalidRequest when there is none of that name."""
    for tuned in tuned_models(studio):
        if tuned.made.name == name:
            return tuned
    raise InvalidRequest("That model, or the one it was tuned from, is not here any more.", "Choose another one.")


def run_of(studio: Studio, path: Path) -> run_file.Table | None:
    """What the run was told that made a model; None for a model that was not trained here. path: of its folder or file
    inside <models>/<name>/model."""
    models = studio.settings.models_dir
    if models not in path.parents:
        return None
    name, *rest = path.relative_to(models).parts
    if rest[:1] != ["model"]:
        return None
    # The trainer's own note is of the last start; recipes with a loop of their own have the page's alone.
    for file in (models / name / "run.toml", studio.settings.data_dir / "training" / name / "config.toml"):
        try:
            return run_file.read(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, InvalidRequest):
            continue
    return None


def base_of(run: run_file.Table, drawing: list[ModelSpec]) -> ModelSpec | None:
    """The installed model a run began with, by its name or its folder; None for a run from nothing."""
    said = next((str(run[option]) for option in BEGAN_WITH if run.get(option)), "")
    if not said:
        return None
    folder = Path(said).expanduser().resolve()
    return next((spec for spec in drawing if spec.name == said or (spec.path and spec.path.resolve() == folder)), None)
