"""The learning rate over a run, as a function of the step: a resumed run needs no memory of it."""

from __future__ import annotations

import math

from training.options import RunConfig


def lr_factor(config: RunConfig, step: int, total: int) -> float:
    """What the learning rate of step `step` (0-based) of `total` is multiplied by, 0..1.

    Every schedule warms up over `lr_warmup_steps`, also "constant", whose warm-up the original left out; the shapes
    after that are those of transformers' schedules of the same names.
    """
    warmup = config.lr_warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    match config.lr_scheduler:
        case "linear":
            return 1 - done
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "cosine_with_restarts":
            return 0.5 * (1 + math.cos(math.pi * (config.lr_num_cycles * done % 1.0)))
        case "polynomial":
            return (1 - done) ** config.lr_power
        case _:
            return 1.0


def peak_lr(config: RunConfig, processes: int) -> float:
    """The learning rate that the factors are of; `scale_lr` makes it that of one clip."""
    if not config.scale_lr:
        return config.learning_rate
    return config.learning_rate * config.gradient_accumulation_steps * config.train_batch_size * processes
