"""What of a run can be counted before it starts: from the heads of weight files, and of networks on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from training.config import TrainingConfig
from training.counting.counted import Counted
from training.options import RunConfig

#: Recipe -> "module:function" of what counts for it, `(config) -> Counted | None`; most of these load torch.
COUNTERS: dict[str, str] = {
    "temporal": "training.counting.tuning:temporal",
    "motion-lora": "training.counting.tuning:motion_lora",
    "one-shot": "training.counting.tuning:one_shot",
    "inflate": "training.counting.tuning:inflate",
    "unet3d": "training.counting.scratch:unet3d",
    "dit": "training.counting.scratch:dit",
    "distil": "training.counting.scratch:distil",
    "temporal-decoder": "training.counting.decoder:temporal_decoder",
    "mini": "training.counting.mini:mini",
    "upscaler": "training.counting.built_in:upscaler",
    "pair": "training.counting.built_in:pair",
    "pair_tsr": "training.counting.built_in:pair_tsr",
    "judge": "training.counting.built_in:judge",
}


def count(config: RunConfig | TrainingConfig) -> Counted | None:
    """None for a recipe nobody counts for, or a model that has nothing to train. Raises RunError for a model that is
    not installed or cannot be read."""
    where = COUNTERS.get(config.recipe)
    if where is None:
        return None
    module, _, name = where.partition(":")
    counter: Callable[[Any], Counted | None] = getattr(import_module(module), name)
    return counter(config)
