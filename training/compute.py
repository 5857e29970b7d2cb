"""Where a run computes, and in which number format: the same recipe on a CPU and on a card."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from diffscaler.errors import DiffScalerError
from diffscaler.models.device import pick_device
from training.events import RunError


@dataclass(frozen=True)
class Compute:
    """device: for weights, always float32; lower: the format of matrix products under `autocast`, None for float32."""

    device: torch.device
    lower: torch.dtype | None = None
    name: str = "CPU"

    @classmethod
    def choose(cls, wanted: str) -> Compute:
        """ "auto", "cpu", "cuda", ... as `pick_device` understands them. Raises RunError when it is not there."""
        try:
            device = pick_device(wanted)
        except DiffScalerError as error:
            raise RunError(str(error), error.hint) from None
        if device.kind == "cuda":
            torch.set_float32_matmul_precision("high")
        # float16 would need its losses scaled; cards that have nothing better train in float32.
        lower = torch.bfloat16 if device.dtype == "bfloat16" else None
        return cls(torch.device(device.torch_name), lower, device.name)

    @property
    def fuses_attention(self) -> bool:
        """Whether fused attention pays for short sequences."""
        return self.device.type != "cpu"

    def put(self, tensor: Tensor) -> Tensor:
        """The tensor on this device."""
        return tensor.to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[object]:
        """Around a forward pass."""
        return torch.autocast(self.device.type, self.lower) if self.lower else nullcontext()


CPU = Compute(torch.device("cpu"))
