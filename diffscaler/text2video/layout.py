"""How a network's weights lie in memory."""

from __future__ import annotations

from typing import TypeVar

import torch

Module = TypeVar("Module", bound=torch.nn.Module)


def channels_last(module: Module) -> Module:
    """The module with its convolutions in channels_last, which CPUs run up to three times faster and cards with tensor
    cores without reordering. What it computes stays the same; only the order of sums may differ."""
    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.to(memory_format=torch.channels_last)
    return module
