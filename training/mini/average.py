"""A running average of weights: steadier pictures than the weights of the last step."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from training.ema import Ema

#: In a checkpoint's folder: the average, and how many steps it holds.
WEIGHTS, UPDATES = "average.safetensors", "average_updates"


class Average(Ema):
    """The average of all parameters of some modules, as the built-in models' checkpoints keep it."""

    def __init__(self, modules: dict[str, torch.nn.Module], decay: float) -> None:
        named = [(f"{prefix}.{name}", p) for prefix, module in modules.items() for name, p in module.named_parameters()]
        super().__init__(named, decay)

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint's folder."""
        save_file({k: v.contiguous() for k, v in self.state().items()}, folder / WEIGHTS)
        (folder / UPDATES).write_text(str(self.updates))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.restore(load_file(folder / WEIGHTS), int((folder / UPDATES).read_text()))


def averaged(folder: Path, module: str) -> dict[str, torch.Tensor]:
    """The averaged weights of one of the modules, from a checkpoint's folder, by their names in it."""
    prefix = f"{module}."
    return {k.removeprefix(prefix): v for k, v in load_file(folder / WEIGHTS).items() if k.startswith(prefix)}
