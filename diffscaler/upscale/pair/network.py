"""The U-Net of the pair: an image network with a temporal layer after each spatial block.

It works on cells: squares of `patch` x `patch` pixels, whose pixels are its channels (pixel unshuffle, Shi et al.
2016). So a picture of 512 pixels costs what one of 128 does.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffscaler.upscale.pair.temporal import ChannelNorm, TemporalMix, TemporalTransformer

#: Frequencies that a time or a level is told in.
NUM_FREQUENCIES = 8


@dataclass(frozen=True)
class PairConfig:
    """What a network is built with; stored as JSON under "config" in the metadata of its file.

    patch: pixels a side of a cell; condition_channels: of what it is told about each cell
    widths: channels at full and at half resolution; heads: of its attention; window: the most frames it sees at once
    text_width: of the embeddings of a text; 0: knows no text
    residual_scale: what one unit of its output is, in pictures of -1..1 (the deviation of the residual it learns)
    detail_std: of that unit, how much the condition leaves open; for the preconditioning alone
    """

    patch: int = 4
    condition_channels: int = 3
    widths: tuple[int, int] = (32, 64)
    heads: int = 4
    window: int = 8
    text_width: int = 0
    residual_scale: float = 0.1
    detail_std: float = 0.5

    @property
    def channels(self) -> int:
        """Of the RGB pixels of a cell."""
        return 3 * self.patch**2

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> PairConfig:
        """What `dumps` wrote. Raises ValueError or TypeError when it is something else."""
        row: dict[str, Any] = json.loads(text)
        return cls(**{**row, "widths": tuple(row["widths"])})


class Block(nn.Module):
    """Two 3x3 convolutions, told the time by scale and shift (Dhariwal & Nichol 2021, adaptive group norm)."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm_first, self.norm_second = ChannelNorm(inputs), ChannelNorm(outputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        for weight in (self.second.weight, self.second.bias, self.modulate.weight, self.modulate.bias):
            nn.init.zeros_(weight)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm_second(self.first(F.silu(self.norm_first(features))))
        return self.skip(features) + self.second(F.silu(hidden * (1 + scale) + shift))


class PairUNet(nn.Module):
    """Predicts v (Salimans & Ho 2022) of the noisy residual of a clip.

    A finite view: a cell's result depends on cells at most `reach` away, so that tiles can be exact.
    """

    #: Cells to every side that a result depends on: 1 in, 2 + 1 down, 12 at half resolution, 1 up, 4, 1 out, and 1 for
    #: the half-resolution grid.
    reach = 24

    def __init__(self, config: PairConfig) -> None:
        super().__init__()
        self.config = config
        full, half = config.widths
        embedding = 2 * half
        self.embed = nn.Sequential(
            nn.Linear(4 * NUM_FREQUENCIES, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.embed_text = nn.Linear(config.text_width, embedding) if config.text_width else None
        if self.embed_text:
            nn.init.zeros_(self.embed_text.weight)
            nn.init.zeros_(self.embed_text.bias)
        # Noise knows nothing of its surroundings: one cell at a time is enough to take it in.
        self.conv_in = nn.Conv2d(config.channels, full, 1)
        self.conv_in_condition = nn.Conv2d(config.condition_channels, full, 3, padding=1)
        self.down = nn.Conv2d(full, half, 3, stride=2, padding=1)
        self.up = nn.Conv2d(half, 4 * full, 1)
        self.block_down = Block(full, full, embedding)
        self.blocks_half = nn.ModuleList(Block(half, half, embedding) for _ in range(3))
        self.blocks_up = nn.ModuleList([Block(2 * full, full, embedding), Block(full, full, embedding)])
        self.mix_down = TemporalMix(full)
        self.transformers = nn.ModuleList(TemporalTransformer(half, config.heads, config.window) for _ in range(3))
        self.mixes_up = nn.ModuleList(TemporalMix(full) for _ in range(2))
        self.norm_out = ChannelNorm(full)
        self.conv_out = nn.Conv2d(full, config.channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(
        self,
        noisy: Tensor,
        condition: Tensor,
        time: Tensor,
        level: Tensor,
        text: Tensor | None = None,
        temporal: bool = True,
    ) -> Tensor:
        """v of a clip, float32 (B, F, channels, h, w); h and w are even, F at most the window.

        noisy: the residual with noise, like the result; condition: (B, F, condition_channels, h, w), about -1..1
        time: (B,) in (0, 1], 1 is pure noise; level: (B,), deviation of the noise that was added to the condition
        text: (B, tokens, text_width), None: nothing is said
        temporal: False: the image network, each frame by itself
        """
        num_frames = noisy.shape[1]
        told = self.embed(torch.cat([frequencies(time), frequencies(level)], dim=1))
        if text is not None:
            if self.embed_text is None:
                raise ValueError("this network knows no text")
            told = told + self.embed_text(text.mean(dim=1))
        told = F.silu(told).repeat_interleave(num_frames, dim=0)

        def over_time(layer: nn.Module, features: Tensor) -> Tensor:
            return layer(features, num_frames) if temporal else features

        features = self.conv_in(noisy.flatten(0, 1)) + self.conv_in_condition(condition.flatten(0, 1))
        features = kept = over_time(self.mix_down, self.block_down(features, told))
        features = self.down(features)
        for block, transformer in zip(self.blocks_half, self.transformers, strict=True):
            features = over_time(transformer, block(features, told))
        features = torch.cat([F.pixel_shuffle(self.up(features), 2), kept], dim=1)
        for block, mix in zip(self.blocks_up, self.mixes_up, strict=True):
            features = over_time(mix, block(features, told))
        out = self.conv_out(F.silu(self.norm_out(features))).unflatten(0, (-1, num_frames))
        keep, gain = preconditioning(time, self.config.detail_std)
        return keep.view(-1, 1, 1, 1, 1) * noisy + gain.view(-1, 1, 1, 1, 1) * out


def preconditioning(time: Tensor, detail_std: float) -> tuple[Tensor, Tensor]:
    """(keep, gain): v is keep * noisy + gain * what the network says. Karras et al. 2022, section 5, written for v.

    48 numbers of noise a cell need not pass through 32 channels: what can be told from the noisy cell alone is.
    """
    signal, sigma = torch.cos(time * math.pi / 2), torch.sin(time * math.pi / 2)
    variance = (signal * detail_std) ** 2 + sigma**2
    return signal * sigma * (1 - detail_std**2) / variance, detail_std / variance.sqrt()


def frequencies(value: Tensor) -> Tensor:
    """(B,) -> (B, 2 * NUM_FREQUENCIES): sines and cosines from half a turn to 64 (Vaswani et al. 2017)."""
    angles = value[:, None] * math.pi * 2.0 ** torch.arange(NUM_FREQUENCIES, device=value.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def to_cells(clip: Tensor, patch: int) -> Tensor:
    """(..., 3, H, W) -> (..., 3 * patch^2, H / patch, W / patch)."""
    return F.pixel_unshuffle(clip, patch)


def from_cells(cells: Tensor, patch: int) -> Tensor:
    """The way back of `to_cells`."""
    return F.pixel_shuffle(cells, patch)
