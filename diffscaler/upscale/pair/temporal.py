"""Layers that look along time. Each adds nothing at first: its last projection begins at zero.

Both know how far apart frames are, never which frame is the first. So a clip of equal frames gives equal frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """RMS norm over the channels of each cell (Zhang & Sennrich 2019): (N, C, H, W) -> the same.

    A norm over a whole picture, as GroupNorm is, would let every tile of a picture come out differently.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        scale = torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-6)
        return features * scale * self.gain.view(1, -1, 1, 1)


class TemporalMix(nn.Module):
    """How a cell differs from the same cell one frame before and one after, as a convolution of 3x1x1 sees it.

    Cheap enough for the full resolution. The first and the last frame are their own neighbours.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.out = nn.Conv2d(2 * channels, channels, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, num_frames: int) -> Tensor:
        """features: (B * num_frames, C, H, W), frame by frame of each clip."""
        if num_frames == 1:
            return features
        clip = F.silu(self.norm(features)).unflatten(0, (-1, num_frames))
        before = torch.cat([clip[:, :1], clip[:, :-1]], dim=1)
        after = torch.cat([clip[:, 1:], clip[:, -1:]], dim=1)
        return features + self.out(torch.cat([before - clip, after - clip], dim=2).flatten(0, 1))


class TemporalTransformer(nn.Module):
    """Self-attention over the frames of each cell, then a layer of its own for each (Blattmann et al. 2023, Video LDM).

    window: the most frames it can be given. How far apart frames are is a learnt bias per head (Shaw et al. 2018).
    """

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = ChannelNorm(channels)
        self.proj_in = nn.Linear(channels, channels)
        self.norm_attention, self.norm_ff = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.attended = nn.Linear(channels, channels)
        self.ff = nn.Sequential(nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, channels))
        self.distance = nn.Parameter(torch.zeros(heads, 2 * window - 1))
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, features: Tensor, num_frames: int) -> Tensor:
        """features: (B * num_frames, C, H, W). Raises ValueError when there are more frames than the window."""
        if num_frames > self.window:
            raise ValueError(f"{num_frames} frames do not fit a window of {self.window}")
        height, width = features.shape[-2:]
        clip = self.norm(features).unflatten(0, (-1, num_frames))
        tokens = self.proj_in(clip.permute(0, 3, 4, 1, 2).reshape(-1, num_frames, features.shape[1]))
        tokens = tokens + self.attended(self._attention(self.norm_attention(tokens)))
        tokens = tokens + self.ff(self.norm_ff(tokens))
        out = self.proj_out(tokens).view(-1, height, width, num_frames, features.shape[1])
        return features + out.permute(0, 3, 4, 1, 2).flatten(0, 1)

    def _attention(self, tokens: Tensor) -> Tensor:
        """tokens: (cells, F, C)."""
        cells, frames, channels = tokens.shape
        q, k, v = self.qkv(tokens).view(cells, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        at = torch.arange(frames, device=tokens.device)
        bias = self.distance[:, at[:, None] - at[None, :] + self.window - 1]
        scores = q @ k.mT * (channels // self.heads) ** -0.5 + bias
        return (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(cells, frames, channels)
