"""A running average of weights: steadier pictures than the weights of the last step."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


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

    def save(self, path: Path) -> None:
        """Write the average."""
        save_file({k: v.contiguous() for k, v in self.values.items()}, path, {"updates": str(self.updates)})

    def load(self, path: Path, updates: int) -> None:
        """Read what `save` wrote; `updates` is the number of steps it holds."""
        saved = load_file(path)
        for name, value in self.values.items():
            value.copy_(saved[name])
        self.updates = updates
