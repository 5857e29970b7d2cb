"""The same network or loop with one thing done otherwise, for as long as it is measured.

`contiguous` and `halves_apart` take away what the studio does; `fused_projections` and `compiled_blocks` add what it
does not do, to see whether it should.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.layout import channels_last
from diffscaler.text2video.motion import Network

REGION = "BasicTransformerBlock"


@contextmanager
def contiguous(unet: Any) -> Generator[None, None, None]:
    """Inside, convolutions lie in memory as the library leaves them."""
    for part in unet.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.to(memory_format=torch.contiguous_format)
    try:
        yield
    finally:
        channels_last(unet)


@contextmanager
def halves_apart(family: Any) -> Generator[None, None, None]:
    """Inside, "nothing" and the words are two calls of the network and not one batch."""
    asked = family.network

    def network(text: dict[str, Array], sampling: Sampling, guidance: bool) -> Network:
        words = asked(text, sampling, False)
        if not guidance:
            return words
        unwanted = {name.removeprefix("negative_"): at for name, at in text.items() if name.startswith("negative_")}
        nothing = asked(unwanted, sampling, False)

        def run(latents: torch.Tensor, timestep: torch.Tensor, frames: Sequence[int], step: int) -> torch.Tensor:
            first, second = latents.chunk(2)
            return torch.cat([nothing(first, timestep, frames, step), words(second, timestep, frames, step)])

        return run

    family.network = network
    try:
        yield
    finally:
        del family.network


@contextmanager
def fused_projections(unet: Any) -> Generator[None, None, None]:
    """Inside, queries, keys and values of an attention come from one matrix (keys and values where words are read).

    The library keeps the single matrices beside it: the U-Net takes more memory.
    """
    from diffusers.models.attention_processor import Attention

    unet.fuse_qkv_projections()
    try:
        yield
    finally:
        unet.unfuse_qkv_projections()
        for part in unet.modules():
            if isinstance(part, Attention):
                part.fused_projections = False
                # The library leaves them: they would be counted where memory is measured.
                for name in ("to_qkv", "to_kv"):
                    part._modules.pop(name, None)


@contextmanager
def compiled_blocks(unet: Any, backend: str) -> Generator[None, None, None]:
    """Inside, every transformer block, spatial or temporal, is compiled, and what lies between them is not.

    backend: of torch.compile; "eager" traces the blocks, as few times as it can, and compiles nothing
    """
    blocks = [part for part in unet.modules() if type(part).__name__ == REGION]
    # The blocks are one class at many widths: past the usual limit torch would stop compiling and not say so.
    limits = {"recompile_limit": 64, "fail_on_recompile_limit_hit": True}
    torch._dynamo.reset()
    with torch._dynamo.config.patch(limits):
        for block in blocks:
            # Each width and length by itself, or torch would soon make one slower kernel for all of them.
            block.compile(backend=backend, dynamic=None if backend == "eager" else False)
        try:
            yield
        finally:
            for block in blocks:
                block._compiled_call_impl = None
            torch._dynamo.reset()
