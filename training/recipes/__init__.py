"""The recipes of the trainer: data plus, for each, a config and a task, imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.options import RunConfig

if TYPE_CHECKING:
    from training.task import Place, Task


#: Where the studio shows models that draw.
MODEL_LIST = "the model list of Text to video"


@dataclass(frozen=True)
class RecipeEntry:
    """name: as configurations say it; title, about: for people; needs: what it begins with; config, task:
    "module:attribute" of a RunConfig class (which must not load torch) and of what makes a task, `(config, place) ->
    Task`; found_in: where its result is found, for people."""

    name: str
    title: str
    about: str
    needs: str
    config: str
    task: str
    found_in: str = MODEL_LIST

    def config_class(self) -> type[RunConfig]:
        return _attribute(self.config)

    def make(self, config: RunConfig, place: Place) -> Task:
        """The task of a run. Raises RunError for models or data that do not fit."""
        maker: Callable[[RunConfig, Place], Task] = _attribute(self.task)
        return maker(config, place)


def _attribute(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


RECIPES: dict[str, RecipeEntry] = {
    entry.name: entry
    for entry in (
        RecipeEntry(
            "temporal",
            "Motion of a model",
            "The temporal layers of Hotshot-XL, AnimateDiff and the like go on learning from your clips.",
            "an installed model with temporal layers, and clips with captions",
            "training.finetune.options:TemporalConfig",
            "training.finetune.temporal:TemporalTask",
        ),
        RecipeEntry(
            "motion-lora",
            "Motion as a LoRA",
            "A small file that teaches a model with temporal layers how things move in your clips.",
            "an installed model with temporal layers, and clips with captions",
            "training.finetune.options:MotionLoraConfig",
            "training.finetune.motion_lora:MotionLoraTask",
            "the LoRAs of Text to video",
        ),
        RecipeEntry(
            "one-shot",
            "One clip, other words",
            "An image model learns one clip, which can then be drawn again with other words (Tune-A-Video).",
            "a Stable Diffusion or SDXL folder, and one clip with its caption",
            "training.finetune.options:OneShotConfig",
            "training.finetune.one_shot:OneShotTask",
        ),
        RecipeEntry(
            "unet3d",
            "A small model from scratch",
            "A network that draws pixels, from nothing but a folder of short clips. No other model is needed.",
            "clips with captions",
            "training.recipes.unet3d.options:Unet3DRun",
            "training.recipes.unet3d.task:make_unet3d",
        ),
        RecipeEntry(
            "dit",
            "A transformer from scratch",
            "Learns clips of mixed sizes and lengths; pictures and words go through the encoders of a Wan model.",
            "a Wan model, and clips with captions",
            "training.recipes.dit.options:DitRun",
            "training.recipes.dit.task:make_dit",
        ),
        RecipeEntry(
            "inflate",
            "An image model that moves",
            "Stable Diffusion 2 and the like get temporal layers, which learn from your clips; pictures stay theirs.",
            "a Stable Diffusion 2 folder or one like it, and clips",
            "training.recipes.inflate.options:InflateRun",
            "training.recipes.inflate.task:InflateTask",
        ),
        RecipeEntry(
            "temporal-decoder",
            "A decoder without flicker",
            "The part of an image model that makes pixels learns to look at neighbouring frames.",
            "a model with an image VAE, and clips",
            "training.recipes.temporal_decoder.options:TemporalDecoderRun",
            "training.recipes.temporal_decoder.task:make_temporal_decoder",
            "its folder, and in the model list of Text to video where it was put into a model",
        ),
        RecipeEntry(
            "distil",
            "Fewer steps",
            "A model from scratch learns to draw in a few steps what it drew in many.",
            "a model from scratch or a Wan model, and clips with captions",
            "training.recipes.distil.options:DistilRun",
            "training.recipes.distil.task:make_distil",
        ),
    )
}
