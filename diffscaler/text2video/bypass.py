"""Parts of a network that do something else for a while."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

Forward = Callable[..., Any]


@contextmanager
def replaced_forward(
    modules: Sequence[torch.nn.Module], make: Callable[[int, Forward], Forward]
) -> Generator[None, None, None]:
    """Inside, each module's `forward` is make(index, its own). May be nested."""
    # Offloading replaces `forward` on the object as well: what was there comes back.
    before = [vars(module).get("forward") for module in modules]
    for index, module in enumerate(modules):
        vars(module)["forward"] = make(index, module.forward)
    try:
        yield
    finally:
        for module, forward in zip(modules, before, strict=True):
            if forward is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = forward


@contextmanager
def bypass_temporal(unet: torch.nn.Module) -> Generator[None, None, None]:
    """Inside, every frame is drawn for itself: temporal layers hand on what they are given.

    For clips of one frame, as Hotshot-XL's pipeline does, for the image half of temporal guidance, and for training on
    single frames beside clips.
    """
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    layers = [module for module in unet.modules() if isinstance(module, AnimateDiffTransformer3D)]
    with replaced_forward(layers, lambda index, forward: _hand_on):
        yield


def _hand_on(hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return hidden_states
