"""Kernels made for the blocks a network is built of, which repeat: a minute of compiling in place of one for each.

Where a step spends its time in many small operations, as attention over few tokens does, torch's compiler joins them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

#: diffusers' names of transformer blocks, in space and over frames.
BLOCKS = ("BasicTransformerBlock",)

#: Differently shaped blocks, once for clips and once for single frames; torch stops compiling after 8.
MOST_KERNELS = 128


def compile_blocks(network: nn.Module) -> int:
    """Let every transformer block be compiled when it is first called; returns how many there are. Names of tensors
    stay. Each new shape of the input costs a minute or so once."""
    blocks = [module for module in network.modules() if type(module).__name__ in BLOCKS]
    for block in blocks:
        block.compile(dynamic=False, recompile_limit=MOST_KERNELS)
    return len(blocks)


def eager(compiled: bool) -> AbstractContextManager[object]:
    """Around what is done seldom, in other shapes than a step has: compiling for it would take longer than it does."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
