"""A running average of weights: steadier pictures than the weights of the last step."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

#: In a checkpoint's folder: the average, and how many steps it holds.
WEIGHTS, UPDATES = "average.safetensors", "average_updates"


class Average:
    """Exponential moving average of the parameters of some modules (EMA)."""

    def __init__(self, modules: dict[str, torch.nn.Module], decay: float) -> None:
        self.decay, self.modules, self.updates = decay, modules, 0
        self.values = {name: p.detach().clone() for name, p in self._named()}

    def _named(self):
        for prefix, module in self.modules.items():
            for name, p in module.named_parameters():
                yield f"{prefix}.{name}", p

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of one more step."""
        self.updates += 1
        # A short memory at first, or the random start would stay in the average.
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        names, params = zip(*self._named(), strict=True)
        torch._foreach_lerp_([self.values[n] for n in names], list(params), 1 - keep)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the modules' weights with the average; the second call puts them back."""
        for name, p in self._named():
            value = self.values[name].clone()
            self.values[name].copy_(p)
            p.copy_(value)

    def save(self, folder: Path) -> None:
        """Write the average into a checkpoint's folder."""
        save_file({k: v.contiguous() for k, v in self.values.items()}, folder / WEIGHTS)
        (folder / UPDATES).write_text(str(self.updates))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        saved = load_file(folder / WEIGHTS)
        for name, value in self.values.items():
            value.copy_(saved[name])
        self.updates = int((folder / UPDATES).read_text())


def averaged(folder: Path, module: str) -> dict[str, torch.Tensor]:
    """The averaged weights of one of the modules, from a checkpoint's folder, by their names in it."""
    prefix = f"{module}."
    return {k.removeprefix(prefix): v for k, v in load_file(folder / WEIGHTS).items() if k.startswith(prefix)}
