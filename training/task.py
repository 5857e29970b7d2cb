"""What the trainer carries: networks, batches and a loss. A recipe makes one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from training.events import RunError

#: What a loss is computed from: tensors and whatever else, by names only its task knows. On the task's device.
Batch = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a task lives.

    device: of networks and batches; lower: number format for networks that do not train, float32 without mixed
    precision; folder: the run's output folder; process, processes: which of how many equal processes this is
    preparing(what, done, total): a sign of life while data are made; raises Stopped when the run is to stop
    warn(sentence): told what goes less well than it could while the task goes on
    learns: whether steps will follow; False for a task that only writes down what a checkpoint holds: its data need not
    be made ready
    known: what a checkpoint holds of the clips it learnt from, see `Task.known`: such a task reads no clip
    """

    device: torch.device
    folder: Path
    lower: torch.dtype = torch.float32
    process: int = 0
    processes: int = 1
    preparing: Callable[[str, int, int], None] = field(default=lambda what, done, total: None)
    warn: Callable[[str], None] = field(default=lambda sentence: print(sentence, file=sys.stderr))
    learns: bool = True
    known: Mapping[str, Any] = field(default_factory=dict)


class Task(Protocol):
    """One thing to learn. All chance comes from the seed and the index it is given, so a resumed run repeats nothing
    and skips nothing."""

    def modules(self) -> dict[str, nn.Module]:
        """The networks that train, whole, on `place.device`; put in training mode by the trainer. A checkpoint holds
        their trained tensors and their buffers."""
        ...

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """What the optimizer changes, float32, by "module.parameter" name; everything else has requires_grad off."""
        ...

    def num_examples(self) -> int:
        """How many clips (or pictures) an epoch has."""
        ...

    def data_hash(self) -> str:
        """A digest of what is trained on; a resumed run says so when it has changed."""
        ...

    def known(self) -> dict[str, Any]:
        """What `export` has to know of the clips, as JSON has it, and tensors: every checkpoint holds it, so that a
        model can be made of one when the clips have gone."""
        ...

    def batch(self, index: int) -> Batch:
        """The `index`-th batch (0-based, one for each accumulated part of a step) of this process: a function of the
        seed, the index and the process alone, whatever was asked before."""
        ...

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """A float32 scalar. generator: on the CPU, for timesteps and noise; the same state gives the same loss."""
        ...

    def held_out(self) -> list[Batch]:
        """Batches that are never trained on; empty when there are none."""
        ...

    def prompts(self) -> Sequence[str]:
        """What samples are drawn of when the configuration names nothing; [""] for a task without words."""
        ...

    def sample(self, prompt: str, seed: int) -> np.ndarray | None:
        """A clip of the present weights, uint8 RGB (F, H, W, 3); None when the task draws none."""
        ...

    def export(self, folder: Path) -> None:
        """Write a model (or LoRA) the studio can use to an empty folder, with the present weights."""
        ...


def trained(modules: dict[str, nn.Module]) -> list[tuple[str, nn.Parameter]]:
    """`Task.trainable` for modules whose other parameters have requires_grad off. Raises RunError when none is left,
    or one is not float32 (small updates would be lost)."""
    found = [
        (f"{prefix}.{name}", parameter)
        for prefix, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    ]
    if not found:
        raise RunError("Nothing of this model would be trained.", "Choose another recipe, or another model.")
    for name, parameter in found:
        if parameter.dtype != torch.float32:
            raise RunError(f"{name} is {parameter.dtype}, and only 32 bits can be trained.", "This is a bug.")
    return found
