"""The preview upscaler: a small network that adds detail to a bicubic enlargement."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PreviewUpscaler(nn.Module):
    """Plain 3x3 convolutions with PReLU at the input's resolution, then a pixel shuffle.

    After SRVGGNetCompact (Wang et al. 2021) and ESPCN (Shi et al. 2016). The keyword arguments are stored as JSON under
    "config" in the metadata of its safetensors file.
    scale: of both sides; width: channels; depth: layers between the first and the last.
    """

    def __init__(self, scale: int = 4, width: int = 32, depth: int = 6) -> None:
        super().__init__()
        self.scale, self.width, self.depth = scale, width, depth
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.features = nn.Sequential(*layers)
        self.detail = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)
        # A fresh network is exactly the bicubic enlargement: training only ever adds to it.
        nn.init.zeros_(self.detail.weight)
        nn.init.zeros_(self.detail.bias)

    @property
    def config(self) -> dict[str, int]:
        """What to construct the same network with."""
        return {"scale": self.scale, "width": self.width, "depth": self.depth}

    @property
    def reach_px(self) -> int:
        """How many input pixels away something can still change an output pixel; tiles need this much overlap."""
        return self.depth + 2

    def forward(self, image: Tensor) -> Tensor:
        """float (N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped; any H, W >= 1."""
        size = (image.shape[-2] * self.scale, image.shape[-1] * self.scale)
        # antialias=True takes Keys' cubic with a = -0.5, the one of MATLAB and Pillow; without it torch uses -0.75.
        base = F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=True)
        return base + self.shuffle(self.detail(self.features(image)))
