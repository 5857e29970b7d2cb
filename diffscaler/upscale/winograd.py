"""3x3 convolutions by Winograd's algorithm: a quarter of the multiplications, a few strips of pixels at a time.

oneDNN, which torch uses on a CPU, has no Winograd for AVX2. The picture is walked in groups of 64 tiles of 4x4 pixels,
so that what is between the two transforms stays in the processor's cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

#: Tiles of 4x4 pixels worked on at once: 64 of 64 channels are 0.6 MB before and after the product.
GROUP = 64
#: With fewer channels the transforms cost more than the product saves.
FEWEST_CHANNELS = 32

# G of F(4x4, 3x3), Lavin and Gray 2016, section 4.3.
_G = torch.tensor(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
     [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
    dtype=torch.float64,
)  # fmt: skip


class WinogradConv(nn.Module):
    """What a Conv2d of 3x3, stride 1 and zero padding does, and the activation after it; float32 on a CPU only.

    bend: the activation, or None. Differs from the library's convolution by some 1e-5 of the largest value.
    """

    def __init__(self, conv: nn.Conv2d, bend: nn.Module | None = None) -> None:
        super().__init__()
        weight = torch.einsum("ai,bj,ocij->abco", _G, _G, conv.weight.detach().double())
        self.register_buffer("weight", weight.reshape(36, conv.in_channels, conv.out_channels).float().contiguous())
        bias = conv.bias.detach().float() if conv.bias is not None else torch.zeros(conv.out_channels)
        self.register_buffer("bias", bias)
        self.register_buffer("slope", slope_of(bend, conv.out_channels))

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, C, H, W), channels last or not -> (N, O, H, W), channels last"""
        from diffscaler.upscale.winograd_kernels import transform_input, transform_output

        weight: Any = self.weight
        pictures = features.permute(0, 2, 3, 1).contiguous()
        count, height, width, channels = pictures.shape
        made = torch.empty((count, height, width, weight.shape[2]))
        tiles = -(-height // 4) * -(-width // 4)
        spread, product = torch.empty((36, GROUP, channels)), torch.empty((36, GROUP, weight.shape[2]))
        bias, slope = self.bias.numpy(), self.slope.numpy()  # type: ignore[operator]
        for picture, out in zip(pictures.numpy(), made.numpy(), strict=True):
            for first in range(0, tiles, GROUP):
                group = min(GROUP, tiles - first)
                transform_input(picture, first, group, spread.numpy()[:, :group])
                torch.bmm(spread[:, :group], weight, out=product[:, :group])
                transform_output(product.numpy()[:, :group], first, group, bias, slope, out)
        return made.permute(0, 3, 1, 2)


def slope_of(bend: nn.Module | None, channels: int) -> Tensor:
    """What negative values are multiplied by: float32 (channels,). Raises TypeError for other activations."""
    if bend is None:
        return torch.ones(channels)
    if isinstance(bend, nn.PReLU):
        return bend.weight.detach().float().expand(channels).contiguous()
    if isinstance(bend, nn.LeakyReLU):
        return torch.full((channels,), bend.negative_slope)
    if isinstance(bend, nn.ReLU):
        return torch.zeros(channels)
    raise TypeError(f"no activation that can follow a convolution here: {type(bend).__name__}")


def suits(module: nn.Module) -> bool:
    """Whether a convolution can be had, and is quicker, by Winograd's algorithm."""
    return (
        isinstance(module, nn.Conv2d)
        and (module.kernel_size, module.stride, module.dilation) == ((3, 3), (1, 1), (1, 1))
        and module.padding == (1, 1)
        and (module.groups, module.padding_mode) == (1, "zeros")
        and min(module.in_channels, module.out_channels) >= FEWEST_CHANNELS
    )


def with_winograd(network: nn.Module) -> nn.Module:
    """`network` with its convolutions replaced where that is quicker, in place.

    An activation joins its convolution where they follow each other in a Sequential, or in the list of layers that
    SRVGGNetCompact walks through.
    """
    for parent in list(network.modules()):
        in_order = isinstance(parent, nn.Sequential) or (
            isinstance(parent, nn.ModuleList) and _is_compact(network, parent)
        )
        children = [*parent._modules.items(), ("", None)]  # named_children() leaves out what stands there twice
        for (name, child), (after, bend) in pairwise(children):
            if child is None or not suits(child):
                continue
            joined = in_order and isinstance(bend, nn.PReLU | nn.LeakyReLU | nn.ReLU)
            setattr(parent, name, WinogradConv(child, bend if joined else None))  # type: ignore[arg-type]
            if joined:
                setattr(parent, after, nn.Identity())
    return network


def _is_compact(network: nn.Module, layers: nn.ModuleList) -> bool:
    return type(network).__name__ == "SRVGGNetCompact" and getattr(network, "body", None) is layers
