"""What is counted of a run, and how it follows from the numbers that learn."""

from __future__ import annotations

from dataclasses import dataclass

from training.options import RunConfig

#: Bytes of a number in the formats that weights which do not train are loaded in.
LOWER_BYTES = {"no": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Counted:
    """trained: numbers that are learnt, at least
    memory_bytes: the least a run takes: weights, gradients, the optimizer's state and the average; what a step computes
    comes on top, and hangs on the network
    checkpoint_bytes: of one; model_bytes: of the finished model, where none of its files can be a link
    data_bytes: of what the run draws or makes of its data and keeps beside its model
    """

    trained: int
    memory_bytes: int
    checkpoint_bytes: int
    model_bytes: int
    data_bytes: int = 0


def by_trainer(
    config: RunConfig, trained: int, model_bytes: int, held_bytes: int = 0, released_bytes: int = 0, kept_bytes: int = 0
) -> Counted:
    """Of a recipe of the trainer: 32 bits a number that learns, its gradient, both moments and its average.

    held_bytes: of weights loaded beside, in the formats they are loaded in; released_bytes: of those that are dropped
    before the first step; kept_bytes: of buffers, which are in every checkpoint too
    """
    state = trained * ((2 if config.use_8bit_adam else 8) + 4 * config.ema)
    loaded, training = held_bytes + 4 * trained, held_bytes - released_bytes + 8 * trained + state
    return Counted(trained, max(loaded, training), 4 * trained + state + kept_bytes, model_bytes)
