"""Where a run computes, and in which number format: the same recipe on a CPU and on a card."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffscaler.errors import DiffScalerError
from diffscaler.models.device import pick_device
from training.events import RunError


@dataclass(frozen=True)
class Compute:
    """device: for weights, always float32; lower: the format of matrix products under `autocast`, None for float32;
    compiles: whether `compiled` does something."""

    device: torch.device
    lower: torch.dtype | None = None
    name: str = "CPU"
    compiles: bool = False

    @classmethod
    def choose(cls, wanted: str, compiles: bool = False) -> Compute:
        """ "auto", "cpu", "cuda", ... as `pick_device` understands them. Raises RunError when it is not there, or when
        it cannot compile and shall."""
        try:
            device = pick_device(wanted)
        except DiffScalerError as error:
            raise RunError(str(error), error.hint) from None
        if device.kind == "cuda":
            torch.set_float32_matmul_precision("high")
        # float16 would need its losses scaled; cards that have nothing better train in float32.
        lower = torch.bfloat16 if device.dtype == "bfloat16" else None
        if compiles:
            need_compiler(device.kind)
        return cls(torch.device(device.torch_name), lower, device.name, compiles)

    @property
    def fuses_attention(self) -> bool:
        """Whether fused attention pays for short sequences."""
        return self.device.type != "cpu"

    def put(self, tensor: Tensor) -> Tensor:
        """The tensor on this device."""
        return tensor.to(self.device, non_blocking=True)

    def compiled(self, network: torch.nn.Module) -> Callable[..., Any]:
        """The network, called through kernels made for it where the run asks for that. Each new shape of the input
        costs a minute or two once; shapes are few in a run."""
        return torch.compile(network, dynamic=False) if self.compiles else network

    def autocast(self) -> AbstractContextManager[object]:
        """Around a forward pass."""
        return torch.autocast(self.device.type, self.lower) if self.lower else nullcontext()


def need_compiler(kind: str) -> None:
    """Raises RunError when a network cannot be compiled for this kind of device."""
    if kind == "cpu" and not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
        raise RunError("There is no C++ compiler to compile the network with.", "Install g++, or leave compile off.")


CPU = Compute(torch.device("cpu"))
