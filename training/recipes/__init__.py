"""The recipes of the trainer: data plus, for each, a config and a task, imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from training.options import RunConfig

if TYPE_CHECKING:
    from training.task import Place, Task


@dataclass(frozen=True)
class RecipeEntry:
    """name: as configurations say it; title, about: for people; config, task: "module:attribute" of a RunConfig class
    (which must not load torch) and of what makes a task, `(config, place) -> Task`."""

    name: str
    title: str
    about: str
    config: str
    task: str

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
            "training.finetune.options:TemporalConfig",
            "training.finetune.temporal:TemporalTask",
        ),
    )
}
