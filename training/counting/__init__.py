"""What of a run can be counted before it starts: from the heads of weight files, and of networks on the meta device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from training.config import TrainingConfig
from training.counting.counted import Counted
from training.events import RunError
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
#: What the libraries raise for a configuration of a model that says what cannot be.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, RuntimeError)
#: Options that name a model which a run goes on from.
MODELS = ("pretrained_model_name_or_path", "init", "vae_from", "text_encoder", "into")


def count(config: RunConfig | TrainingConfig) -> Counted | None:
    """None for a recipe nobody counts for, or a model that has nothing to train. Raises RunError for a model that is
    not installed or cannot be read."""
    where = COUNTERS.get(config.recipe)
    if where is None:
        return None
    module, _, name = where.partition(":")
    counter: Callable[[Any], Counted | None] = getattr(import_module(module), name)
    try:
        with _hushed():
            return counter(config)
    except MALFORMED as error:
        why = str(error).partition("\n")[0][:200] or type(error).__name__
        if models := [str(said) for option in MODELS if (said := getattr(config, option, ""))]:
            raise RunError(
                f"What {' or '.join(models)} holds cannot be read as a model ({why}).",
                "Look at the config.json of its parts, or choose another model.",
            ) from error
        raise RunError(f"No network can be built of these options ({why}).", "Change its sizes.") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Inside, diffusers warns of nothing while it builds networks: none of them will compute."""
    # Not its topmost logger, whose level its import sets.
    loggers = [logging.getLogger(name) for name in ("diffusers.models", "diffusers.configuration_utils")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
