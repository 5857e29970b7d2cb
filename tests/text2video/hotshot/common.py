"""What the tests of Hotshot-XL's network have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import UNetMotionModel  # noqa: E402

from diffscaler.errors import DiffScalerError, ModelNotFound  # noqa: E402
from tests.text2video import tiny_hotshot as tiny  # noqa: E402

Unet = Any
ADD_EMBEDDING = [f"add_embedding.linear_{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")]


@torch.inference_mode()
def draw(unet: Unet, **changes: Any) -> torch.Tensor:
    return unet(**{**tiny.inputs(), **changes}).sample


def far(a: torch.Tensor, b: torch.Tensor | np.ndarray) -> float:
    return float((a - torch.as_tensor(b)).abs().max())


def equal_states(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


def refused(load: Callable[[], object], reason: str, kind: type[DiffScalerError] = ModelNotFound) -> None:
    with pytest.raises(kind, match=reason) as caught:
        load()
    assert "\n" not in str(caught.value) and caught.value.message.endswith(".") and caught.value.hint.endswith(".")


def load_stock(unet: Unet) -> Unet:
    """The library's network with the same weights, its norms never touched."""
    stock: Unet = UNetMotionModel.from_config(unet.config).double().eval()
    stock.load_state_dict(unet.state_dict())
    return stock
