"""The 3-D U-Net of Ho et al. 2022, "Video Diffusion Models", figure 1, on pixels.

Its weights have the names of two published implementations that are one network: video-diffusion-pytorch (lucidrains)
and text2video-from-scratch (FareedKhan), so their files load. Where the second one's README and code differ, this is
the code: blocks normalise by root mean square, and only the first of a block's two convolutions is modulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from diffscaler.text2video.unet3d.attention import (
    SPATIAL_HEAD_DIM,
    Attention,
    OverSpace,
    OverTime,
    PreNorm,
    RelativePositionBias,
    Residual,
    RotaryEmbedding,
    SpatialLinearAttention,
)

# Positions enter at most this many channels of a head, however wide heads are.
MAX_ROTARY_DIM = 32


@dataclass(frozen=True)
class Unet3DConfig:
    """The shape of a network.

    dim: channels of the first level, even, 4 or more; dim_mults: channels of each level, as multiples of `dim`
    channels: of the input; out_dim: of the output, None for `channels`
    cond_dim: width of the text vector, None for a network without words (bert-base: 768)
    attn_heads, attn_dim_head: of temporal attention; attention across pixels has as many heads, 32 wide
    init_kernel_size: pixels, odd; use_sparse_linear_attn: attention across pixels at every level
    The published code also takes an `init_dim`, but its last layer fits only where that equals `dim`.
    """

    dim: int
    dim_mults: tuple[int, ...] = (1, 2, 4, 8)
    channels: int = 3
    cond_dim: int | None = None
    attn_heads: int = 8
    attn_dim_head: int = 32
    init_kernel_size: int = 7
    use_sparse_linear_attn: bool = True
    out_dim: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a shape no network can have."""
        optional = [count for count in (self.cond_dim, self.out_dim) if count is not None]
        counts = [*self.dim_mults, self.channels, self.attn_heads, *optional]
        if self.dim < 4 or self.dim % 2 or not self.dim_mults or min(counts) < 1:
            raise ValueError("dim must be even and at least 4, and every count at least 1")
        if self.attn_dim_head < 2 or self.attn_dim_head % 2 or self.init_kernel_size % 2 == 0:
            raise ValueError("attn_dim_head must be even, and init_kernel_size odd")

    @property
    def size_multiple(self) -> int:
        """Width and height in pixels must be multiples of this: every level but the last halves them."""
        return 2 ** (len(self.dim_mults) - 1)


class SinusoidalPosEmb(nn.Module):
    """Vaswani et al. 2017, section 3.5: all sines, then all cosines."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pairs = dim // 2

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        """time: float32 or float64 (B,) -> the same dtype, (B, dim)"""
        index = torch.arange(self.pairs, device=time.device, dtype=torch.float32)
        # float32 in a float64 network too: the published code rounds here, and answers differ by 1e-12 otherwise.
        frequencies = torch.exp(index * (-math.log(10000) / (self.pairs - 1)))
        angles = time[:, None] * frequencies
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class RMSNorm(nn.Module):
    """Over channels (Zhang and Sennrich 2019)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1, 1))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return F.normalize(clip, dim=1) * self.scale * self.gamma


class Block(nn.Module):
    """A convolution within each frame, normalised, modulated where it is told to be, and bent."""

    def __init__(self, dim: int, dim_out: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(dim, dim_out, (1, 3, 3), padding=(0, 1, 1))
        self.norm = RMSNorm(dim_out)

    def forward(self, clip: torch.Tensor, modulation: torch.Tensor | None = None) -> torch.Tensor:
        """modulation: (B, 2 dim_out), scales then shifts"""
        clip = self.norm(self.proj(clip))
        if modulation is not None:
            scale, shift = modulation[:, :, None, None, None].chunk(2, dim=1)
            clip = clip * (scale + 1) + shift
        return F.silu(clip)


class ResnetBlock(nn.Module):
    """emb_dim: width of the vector of time and words; None for a block that does not know them."""

    def __init__(self, dim: int, dim_out: int, emb_dim: int | None = None) -> None:
        super().__init__()
        self.mlp = None if emb_dim is None else nn.Sequential(nn.SiLU(), nn.Linear(emb_dim, dim_out * 2))
        self.block1 = Block(dim, dim_out)
        self.block2 = Block(dim_out, dim_out)
        self.res_conv = nn.Identity() if dim == dim_out else nn.Conv3d(dim, dim_out, 1)

    def forward(self, clip: torch.Tensor, emb: torch.Tensor | None = None) -> torch.Tensor:
        modulation = None if self.mlp is None else self.mlp(emb)
        return self.block2(self.block1(clip, modulation)) + self.res_conv(clip)


class Unet3D(nn.Module):
    """Predicts what was mixed into a noisy clip. Any number of frames; sizes are multiples of config.size_multiple."""

    def __init__(self, config: Unet3DConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads = config.dim, config.attn_heads
        rotary_emb = RotaryEmbedding(min(MAX_ROTARY_DIM, config.attn_dim_head))

        def temporal(width: int) -> Residual:
            attention = Attention(width, heads, config.attn_dim_head, rotary_emb)
            return Residual(PreNorm(width, OverTime(attention)))

        def spatial(width: int) -> nn.Module:
            if not config.use_sparse_linear_attn:
                return nn.Identity()
            return Residual(PreNorm(width, SpatialLinearAttention(width, heads)))

        def level(width_in: int, width: int, resample: nn.Module) -> nn.ModuleList:
            first, second = ResnetBlock(width_in, width, emb_dim), ResnetBlock(width, width, emb_dim)
            return nn.ModuleList([first, second, spatial(width), temporal(width), resample])

        emb_dim = 4 * dim + (config.cond_dim or 0)
        kernel = config.init_kernel_size
        self.time_rel_pos_bias = RelativePositionBias(heads)
        self.init_conv = nn.Conv3d(config.channels, dim, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2))
        self.init_temporal_attn = temporal(dim)
        self.time_mlp = nn.Sequential(
            SinusoidalPosEmb(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim)
        )
        self.null_cond_emb = None if config.cond_dim is None else nn.Parameter(torch.randn(1, config.cond_dim))

        widths = [dim, *(dim * mult for mult in config.dim_mults)]
        pairs = list(pairwise(widths))
        down, up = nn.Conv3d, nn.ConvTranspose3d
        self.downs = nn.ModuleList(
            level(before, after, resampling(down, after) if index < len(pairs) - 1 else nn.Identity())
            for index, (before, after) in enumerate(pairs)
        )
        self.ups = nn.ModuleList(
            level(after * 2, before, resampling(up, before) if index > 0 else nn.Identity())
            for index, (before, after) in reversed(list(enumerate(pairs)))
        )
        self.mid_block1 = ResnetBlock(widths[-1], widths[-1], emb_dim)
        self.mid_spatial_attn = Residual(PreNorm(widths[-1], OverSpace(Attention(widths[-1], heads, SPATIAL_HEAD_DIM))))
        self.mid_temporal_attn = temporal(widths[-1])
        self.mid_block2 = ResnetBlock(widths[-1], widths[-1], emb_dim)
        self.final_conv = nn.Sequential(ResnetBlock(dim * 2, dim), nn.Conv3d(dim, config.out_dim or config.channels, 1))

    def forward(
        self,
        clip: torch.Tensor,
        time: torch.Tensor,
        cond: torch.Tensor | None = None,
        null_mask: torch.Tensor | None = None,
        focus_present_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The prediction, (B, out_dim, F, H, W).

        clip: (B, channels, F, H, W); time: (B,), index of the noise level, 0 the cleanest
        cond: (B, cond_dim), the text vector; required where config.cond_dim is set, refused where it is not
        null_mask: bool (B,), True: the learned vector for "no words" takes the place of `cond` (dropout in training)
        focus_present_mask: bool (B,), True: the frames of this clip are unrelated pictures
        Raises ValueError for a size or a `cond` that does not fit.
        """
        multiple = self.config.size_multiple
        if clip.shape[-1] % multiple or clip.shape[-2] % multiple:
            raise ValueError(f"width and height must be multiples of {multiple}, not {tuple(clip.shape[-2:])}")
        emb, null = self.time_mlp(time.to(clip.dtype)), self.null_cond_emb
        if (cond is None) != (null is None):
            raise ValueError("a text vector must be given to a network that was built for words, and to no other")
        if cond is not None and null is not None:
            words = cond if null_mask is None else torch.where(null_mask[:, None], null, cond)
            emb = torch.cat((emb, words), dim=-1)
        bias = self.time_rel_pos_bias(clip.shape[2])
        # The stem ignores the focus mask, so unrelated pictures leak into each other here. Weights were trained so.
        clip = stem = self.init_temporal_attn(self.init_conv(clip), bias)
        skips: list[torch.Tensor] = []
        for block1, block2, spatial, temporal, down in self.downs:  # pyright: ignore[reportGeneralTypeIssues]
            clip = temporal(spatial(block2(block1(clip, emb), emb)), bias, focus_present_mask)
            skips.append(clip)
            clip = down(clip)
        clip = self.mid_spatial_attn(self.mid_block1(clip, emb))
        clip = self.mid_block2(self.mid_temporal_attn(clip, bias, focus_present_mask), emb)
        for block1, block2, spatial, temporal, up in self.ups:  # pyright: ignore[reportGeneralTypeIssues]
            clip = block1(torch.cat((clip, skips.pop()), dim=1), emb)
            clip = up(temporal(spatial(block2(clip, emb)), bias, focus_present_mask))
        return self.final_conv(torch.cat((clip, stem), dim=1))


def resampling(layer: type[nn.Conv3d] | type[nn.ConvTranspose3d], dim: int) -> nn.Module:
    """Halves (Conv3d) or doubles (ConvTranspose3d) width and height; frames stay."""
    return layer(dim, dim, (1, 4, 4), (1, 2, 2), (0, 1, 1))
