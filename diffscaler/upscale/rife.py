"""RIFE's network for the frame between two frames (Huang et al. 2022, "Real-Time Intermediate Flow Estimation").

The layers and their names are those of the published flownet files (github.com/hzwer/Practical-RIFE, MIT licence),
versions 4.5 and 4.6 (four blocks), 4.25 and 4.26 (five, and features of both frames beside their pixels). A block sees
both frames as moved so far, at a finer size than the one before, and says how much farther they have to move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Layout:
    """versions: whose files are so built; widths: channels of each block; scales: what each sees the frames reduced by
    features: channels of the encoder's features of a frame, 0: has none; passed: of what a block tells the next one
    spare: channels a block makes that nobody reads
    """

    versions: str
    widths: tuple[int, ...]
    scales: tuple[int, ...]
    features: int = 0
    passed: int = 0
    spare: int = 0

    @property
    def multiple(self) -> int:
        """What sides have to be divided by: four convolution pixels at the coarsest scale."""
        return 4 * self.scales[0]

    @property
    def made(self) -> int:
        """Channels a block makes: two flows, a mask, and the rest."""
        return 5 + self.passed + self.spare

    def takes(self, index: int) -> int:
        """Channels that block `index` is given: both frames, their features, the moment; later mask and flows too."""
        first = 2 * (3 + self.features) + 1
        return first if index == 0 else first + 1 + self.passed + 4


LAYOUTS = (
    Layout("4.5", (192, 128, 96, 64), (8, 4, 2, 1)),
    Layout("4.6", (192, 128, 96, 64), (8, 4, 2, 1), spare=1),
    Layout("4.25 and 4.26", (192, 128, 96, 64, 32), (16, 8, 4, 2, 1), features=4, passed=8),
    Layout("4.25 heavy", (384, 256, 192, 128, 64), (16, 8, 4, 2, 1), features=4, passed=8),
    Layout("4.26 heavy", (192, 128, 96, 64, 32), (16, 8, 4, 2, 1), features=16, passed=8),
)


class Unpooled(nn.Sequential):
    """Two strided convolutions, to a quarter of the size."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(*(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU(0.2))
            for a, b in ((inputs, width // 2), (width // 2, width))
        ))  # fmt: skip


class Residual(nn.Module):
    """A convolution, scaled per channel, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(features) * self.beta + features, 0.2)


class Block(nn.Module):
    """How much farther both frames have to move, seen at one scale."""

    def __init__(self, inputs: int, width: int, made: int) -> None:
        super().__init__()
        self.conv0 = Unpooled(inputs, width)
        self.convblock = nn.Sequential(*(Residual(width) for _ in range(8)))
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * made, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, given: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, Tensor, Tensor]:
        """(flow, mask, the rest) at full size. given: (N, C, H, W); flow: (N, 4, H, W) in pixels, None at first"""
        seen = resized(given, 1 / scale)
        if flow is not None:
            seen = torch.cat([seen, resized(flow, 1 / scale) / scale], dim=1)
        said = resized(self.lastconv(self.convblock(self.conv0(seen))), scale)
        return said[:, :4] * scale, said[:, 4:5], said[:, 5:]


class Head(nn.Module):
    """Features of a frame, at its own size."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.cnn0, self.cnn1, self.cnn2 = (
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.Conv2d(16, 16, 3, 1, 1),
            nn.Conv2d(16, 16, 3, 1, 1),
        )
        self.cnn3 = nn.ConvTranspose2d(16, features, 4, 2, 1)

    def forward(self, frame: Tensor) -> Tensor:
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            frame = F.leaky_relu(layer(frame), 0.2)
        return self.cnn3(frame)


class Rife(nn.Module):
    """The frame at a moment between two."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        for index, width in enumerate(layout.widths):
            self.add_module(f"block{index}", Block(layout.takes(index), width, layout.made))
        if layout.features:
            self.encode = Head(layout.features)

    def forward(self, a: Tensor, b: Tensor, moment: float) -> Tensor:
        """a, b: (N, 3, H, W) in 0..1, sides multiples of `layout.multiple`; moment: 0 is a, 1 is b."""
        layout, when = self.layout, torch.full_like(a[:, :1], moment)
        own = [self.encode(a), self.encode(b)] if layout.features else []
        sides, features = [a, b], own
        flow: Tensor | None = None
        mask, rest = when, when[:, :0]
        for index, scale in enumerate(layout.scales):
            told = [*sides, *features, when]
            if flow is not None:
                told += [mask, *([rest] if layout.passed else [])]
            change, said, rest = getattr(self, f"block{index}")(torch.cat(told, dim=1), flow, scale)
            # With features each block says the whole mask anew, without them what it changes.
            mask = said if flow is None or layout.features else mask + said
            flow = change if flow is None else flow + change
            parts = flow.split(2, dim=1)
            sides = [warped(frame, part) for frame, part in zip((a, b), parts, strict=True)]
            features = [warped(frame, part) for frame, part in zip(own, parts, strict=False)]
        share = mask.sigmoid()
        return sides[0] * share + sides[1] * (1 - share)


def layout_of(state: Mapping[str, Tensor]) -> Layout | None:
    """How a file is built, from the shapes of its weights; None for another version's.

    What lies in a file beside the network, from its training, does not matter.
    """
    shapes = {name: tuple(weight.shape) for name, weight in state.items() if name.startswith(("block", "encode."))}
    for layout in LAYOUTS:
        with torch.device("meta"):
            wanted = {name: tuple(weight.shape) for name, weight in Rife(layout).state_dict().items()}
        if shapes == wanted:
            return layout
    return None


def resized(pictures: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return pictures
    return F.interpolate(pictures, scale_factor=factor, mode="bilinear", align_corners=False)


def warped(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (N, C, H, W) at p + flow(p), flow: (N, 2, H, W), x and y in pixels; beyond the edge, the edge."""
    height, width = pictures.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    there = torch.stack([(x + flow[:, 0]) * 2 / max(width - 1, 1), (y + flow[:, 1]) * 2 / max(height - 1, 1)], dim=-1)
    return F.grid_sample(pictures, there - 1, mode="bilinear", padding_mode="border", align_corners=True)
