"""Attention across the frames of a clip and across the pixels of a frame.

Ho et al. 2022, "Video Diffusion Models", section 3: the two kinds alternate, neither looks along the other's axis.
Attributes carry the names of the published checkpoints, where each becomes a part of a weight's key.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

#: Width of a head where the checkpoints leave no choice: in both kinds of attention across pixels.
SPATIAL_HEAD_DIM = 32

NUM_BUCKETS = 32
MAX_DISTANCE = 32


class RotaryEmbedding(nn.Module):
    """Turns queries and keys by an angle that grows with the frame's index (Su et al. 2021, eq. 34).

    dim: how many channels of a head are turned, even; those after them stay as they are
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        # A weight, because checkpoints hold it; never trained.
        self.freqs = nn.Parameter(10000 ** -(torch.arange(0, dim, 2) / dim), requires_grad=False)

    def forward(self, heads: torch.Tensor) -> torch.Tensor:
        """heads: (..., F, channels) -> the same shape. Channels 2i and 2i + 1 are one point in a plane."""
        positions = torch.arange(heads.shape[-2], device=heads.device, dtype=self.freqs.dtype)
        angles = torch.outer(positions, self.freqs)
        cos, sin = angles.cos(), angles.sin()
        turning = 2 * len(self.freqs)
        x, y = heads[..., 0:turning:2], heads[..., 1:turning:2]
        turned = torch.stack((x * cos - y * sin, y * cos + x * sin), dim=-1).flatten(-2)
        return torch.cat((turned, heads[..., turning:]), dim=-1)


class RelativePositionBias(nn.Module):
    """A learned number per head for "how many frames apart", in buckets that widen with distance.

    Raffel et al. 2020 (T5), section 2.1, in its form for both directions; frames 32 or more apart share one bucket.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.relative_attention_bias = nn.Embedding(NUM_BUCKETS, heads)

    def forward(self, num_frames: int) -> torch.Tensor:
        """(heads, F, F): what is added to the score of query frame i and key frame j."""
        frames = torch.arange(num_frames, device=self.relative_attention_bias.weight.device)
        return self.relative_attention_bias(bucket(frames[None, :] - frames[:, None])).permute(2, 0, 1)


def bucket(distance: torch.Tensor) -> torch.Tensor:
    """The bucket, 0..31, of a signed distance in frames (key minus query), any shape; later keys take 16..31."""
    half = NUM_BUCKETS // 2
    exact = half // 2
    apart = distance.abs()
    # float32 whatever the network's dtype: at powers of two the logarithm lies on a bucket's very edge, and trained
    # weights are right only on the side that this rounding puts it.
    ratio = (apart.clamp(min=1).float() / exact).log() / math.log(MAX_DISTANCE / exact)
    wide = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(apart < exact, apart, wide) + half * (distance > 0)


class Attention(nn.Module):
    """Softmax attention among N tokens. rotary_emb: shared by all temporal layers; None where order means nothing."""

    def __init__(self, dim: int, heads: int, dim_head: int, rotary_emb: RotaryEmbedding | None = None) -> None:
        super().__init__()
        self.heads, self.scale = heads, dim_head**-0.5
        self.rotary_emb = rotary_emb
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim, bias=False)

    def forward(
        self,
        tokens: torch.Tensor,
        pos_bias: torch.Tensor | None = None,
        focus_present_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """tokens: (B, places, N, C) -> the same shape; places do not see each other.

        pos_bias: (heads, N, N), added to the scores
        focus_present_mask: bool (B,), True: a token of this clip sees itself alone (Ho et al. 2022, section 3.1, joint
        training on pictures)
        """
        query, key, value = self.to_qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        query = query * self.scale
        if self.rotary_emb is not None:
            query, key = self.rotary_emb(query), self.rotary_emb(key)
        scores = query @ key.transpose(-1, -2)
        if pos_bias is not None:
            scores = scores + pos_bias
        if focus_present_mask is not None:
            others = ~torch.eye(tokens.shape[-2], dtype=torch.bool, device=tokens.device)
            scores = scores.masked_fill(focus_present_mask[:, None, None, None, None] & others, -math.inf)
        mixed = scores.softmax(dim=-1) @ value
        return self.to_out(mixed.transpose(2, 3).flatten(-2))


class OverTime(nn.Module):
    """Lets `fn` see a clip (B, C, F, H, W) as tokens along time: (B, H W, F, C)."""

    def __init__(self, fn: Attention) -> None:
        super().__init__()
        self.fn = fn

    def forward(
        self, clip: torch.Tensor, pos_bias: torch.Tensor, focus_present_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        size = clip.shape[-2:]
        tokens = self.fn(clip.flatten(-2).permute(0, 3, 2, 1), pos_bias, focus_present_mask)
        return tokens.permute(0, 3, 2, 1).unflatten(-1, size)


class OverSpace(nn.Module):
    """Lets `fn` see a clip (B, C, F, H, W) as tokens within each frame: (B, F, H W, C)."""

    def __init__(self, fn: Attention) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        size = clip.shape[-2:]
        return self.fn(clip.flatten(-2).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).unflatten(-1, size)


class SpatialLinearAttention(nn.Module):
    """Attention within each frame at a cost linear in its pixels (Shen et al. 2021, "Efficient Attention", eq. 5).

    Queries are normalised over channels, keys over pixels, so that k v^T, a small matrix, can be formed first.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, SPATIAL_HEAD_DIM**-0.5
        inner = heads * SPATIAL_HEAD_DIM
        # Pointwise convolutions rather than linear layers: checkpoints hold their weights with two more axes.
        self.to_qkv = nn.Conv2d(dim, 3 * inner, 1, bias=False)
        self.to_out = nn.Conv2d(inner, dim, 1)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """clip: (B, C, F, H, W) -> the same shape."""
        batch, _, _, height, width = clip.shape
        qkv = self.to_qkv(clip.transpose(1, 2).flatten(0, 1))
        query, key, value = qkv.flatten(-2).unflatten(1, (3, self.heads, -1)).unbind(1)  # (B F, heads, 32, H W)
        context = value @ key.softmax(dim=-1).transpose(-1, -2)
        mixed = context @ (query.softmax(dim=-2) * self.scale)
        frames = self.to_out(mixed.flatten(1, 2).unflatten(-1, (height, width)))
        return frames.unflatten(0, (batch, -1)).transpose(1, 2)


class LayerNorm(nn.Module):
    """Over channels, with a gain and no offset."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, dim, 1, 1, 1))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(clip, dim=1, correction=0, keepdim=True)
        return (clip - mean) * (variance + 1e-5).rsqrt() * self.gamma


class PreNorm(nn.Module):
    """fn(norm(clip))"""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn, self.norm = fn, LayerNorm(dim)

    def forward(self, clip: torch.Tensor, *args: Any) -> torch.Tensor:
        return self.fn(self.norm(clip), *args)


class Residual(nn.Module):
    """clip + fn(clip)"""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, clip: torch.Tensor, *args: Any) -> torch.Tensor:
        return clip + self.fn(clip, *args)
