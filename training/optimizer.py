"""The optimizer of a run: AdamW, with its moments in 32 or 8 bits."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from training.events import RunError
from training.options import RunConfig


def make_optimizer(config: RunConfig, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) with the numbers of the configuration.

    Raises RunError when 8 bits are asked for and bitsandbytes is not installed.
    """
    options: dict[str, Any] = {
        "lr": lr,
        "betas": (config.adam_beta1, config.adam_beta2),
        "weight_decay": config.adam_weight_decay,
        "eps": config.adam_epsilon,
    }
    if not config.use_8bit_adam:
        return torch.optim.AdamW(parameters, **options)
    if find_spec("bitsandbytes") is None:
        raise RunError("8-bit Adam needs bitsandbytes, which is not installed.", "Install it, or leave 8-bit Adam off.")
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(parameters, **options)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Of every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
