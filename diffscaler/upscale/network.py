"""The preview upscaler: a small network that adds detail to a bicubic enlargement."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions with a PReLU between them, added to what they are given (Lim et al. 2017, EDSR)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.bend, self.second = conv(width, width), nn.PReLU(width), conv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(self.bend(self.first(features)))


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class PreviewUpscaler(nn.Module):
    """3x3 convolutions with PReLU at the input's resolution, then a pixel shuffle.

    After SRVGGNetCompact (Wang et al. 2021) and ESPCN (Shi et al. 2016). The keyword arguments are stored as JSON under
    "config" in the metadata of its safetensors file.
    scale: of both sides; width: channels; depth: layers between the first and the last; residual: those in pairs, each
    added to what it is given, without which more than some eight layers do not learn. Raises ValueError when residual
    layers are not even in number.
    """

    def __init__(self, scale: int = 4, width: int = 32, depth: int = 6, residual: bool = False) -> None:
        super().__init__()
        self.scale, self.width, self.depth, self.residual = scale, width, depth, residual
        layers: list[nn.Module] = [conv(3, width), nn.PReLU(width)]
        if residual and depth % 2:
            raise ValueError("residual layers come in pairs")
        for _ in range(depth // 2 if residual else depth):
            layers += [Residual(width)] if residual else [conv(width, width), nn.PReLU(width)]
        self.features = nn.Sequential(*layers)
        self.detail = conv(width, 3 * scale * scale)
        self.shuffle = nn.PixelShuffle(scale)
        # A fresh network is exactly the bicubic enlargement: training only ever adds to it.
        nn.init.zeros_(self.detail.weight)
        nn.init.zeros_(self.detail.bias)

    @property
    def config(self) -> dict[str, int | bool]:
        """What to construct the same network with."""
        plain: dict[str, int | bool] = {"scale": self.scale, "width": self.width, "depth": self.depth}
        return plain | ({"residual": True} if self.residual else {})

    @property
    def reach_px(self) -> int:
        """How many input pixels away something can still change an output pixel; tiles need this much overlap."""
        return self.depth + 2

    def forward(self, image: Tensor) -> Tensor:
        """float32 (N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped; any H, W >= 1.

        The layers may be in bfloat16. What they add to is not: it would round to whole levels of 255.
        """
        size = (image.shape[-2] * self.scale, image.shape[-1] * self.scale)
        # antialias=True takes Keys' cubic with a = -0.5, the one of MATLAB and Pillow; without it torch uses -0.75.
        base = F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=True)
        return base + self.shuffle(self.detail(self.features(image.to(self.detail.weight.dtype))))
