"""Self-attention that looks at other frames: how an image U-Net is made to draw clips without being trained to.

One table T (F, K) covers the family: frame i reads keys and values of the frames T[i]. Frames are a batch
(B * F, tokens, C), those of a clip together; cross-attention to words stays as it is.
Khachatryan et al. 2023 (Text2Video-Zero, section 4.2), Wu et al. 2023 (Tune-A-Video, eq. 3), Zhang et al. 2023
(ControlVideo, section 3.2).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D

Table = torch.Tensor


def own_frame(num_frames: int) -> Table:
    """An image model's: every frame looks at itself. int64 (F, 1)."""
    return torch.arange(num_frames)[:, None]


def first_frame(num_frames: int) -> Table:
    """Text2Video-Zero's: every frame looks at the first. int64 (F, 1)."""
    return torch.zeros(num_frames, 1, dtype=torch.int64)


def first_and_previous(num_frames: int) -> Table:
    """Tune-A-Video's: the first frame and the one before. int64 (F, 2)."""
    before = torch.arange(num_frames).sub(1).clamp(min=0)
    return torch.stack([torch.zeros_like(before), before], dim=1)


def all_frames(num_frames: int) -> Table:
    """ControlVideo's: every frame looks at all. int64 (F, F)."""
    return torch.arange(num_frames).expand(num_frames, num_frames)


def these_frames(num_frames: int, frames: tuple[int, ...]) -> Table:
    """Every frame looks at the same few: key frames, or the first and last of an interval. int64 (F, K)."""
    return torch.tensor(frames).expand(num_frames, len(frames))


class FrameAttnProcessor:
    """An attention processor for self-attention layers. table: int64 (F, K)"""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """hidden_states: (B * F, tokens, C) -> the same shape. Raises ValueError for words or a mask."""
        if encoder_hidden_states is not None or attention_mask is not None:
            raise ValueError("frames are looked at in self-attention only, and without a mask")
        frames = len(self.table)
        query = attn.to_q(hidden_states)
        key, value = attn.to_k(hidden_states), attn.to_v(hidden_states)
        table = self.table.to(hidden_states.device)

        def gathered(x: torch.Tensor) -> torch.Tensor:
            clips = x.unflatten(0, (-1, frames))  # (B, F, tokens, C)
            return clips[:, table].flatten(2, 3).flatten(0, 1)  # (B * F, K * tokens, C)

        def heads(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        found = F.scaled_dot_product_attention(
            heads(query), heads(gathered(key)), heads(gathered(value)), scale=attn.scale
        )
        out = attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2)))
        if attn.residual_connection:
            out = out + hidden_states
        return out / attn.rescale_output_factor


@contextmanager
def looking_at(unet: torch.nn.Module, table: Table) -> Generator[None, None, None]:
    """Inside, all self-attention layers of an image U-Net (or a ControlNet) look at the frames of `table`."""
    before = dict(unet.attn_processors)
    across = FrameAttnProcessor(table)
    unet.set_attn_processor({name: across if ".attn1." in name else own for name, own in before.items()})
    try:
        yield
    finally:
        unet.set_attn_processor(before)


@contextmanager
def joint_norms(unet: torch.nn.Module, num_frames: int) -> Generator[None, None, None]:
    """Inside, GroupNorms of resnets and the last one count over all frames of a clip.

    So were the networks of the Tune-A-Video line trained: their resnets work on 5-D tensors.
    """
    owners = [(m, name) for m in unet.modules() if isinstance(m, ResnetBlock2D) for name in ("norm1", "norm2")]
    if getattr(unet, "conv_norm_out", None) is not None:
        owners.append((unet, "conv_norm_out"))
    before = [getattr(owner, name) for owner, name in owners]
    for (owner, name), norm in zip(owners, before, strict=True):
        setattr(owner, name, _Joint(norm, num_frames))
    try:
        yield
    finally:
        for (owner, name), norm in zip(owners, before, strict=True):
            setattr(owner, name, norm)


class _Joint(torch.nn.Module):
    def __init__(self, norm: torch.nn.GroupNorm, num_frames: int) -> None:
        super().__init__()
        self.norm, self.num_frames = norm, num_frames

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        clips = x.unflatten(0, (-1, self.num_frames)).transpose(1, 2)
        return self.norm(clips).transpose(1, 2).flatten(0, 1)


def add_temporal_tails(unet: torch.nn.Module) -> None:
    """Tune-A-Video's trained part: after each transformer block, x += attn_temp(norm_temp(x)) over the frames.

    The names are the original's, so that its checkpoints load. Both the weight and the bias of the last projection are
    zero at first (the original zeroes the weight only): until trained, the network is the image model.
    """
    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock) and not hasattr(block, "attn_temp"):
            own = block.attn1
            block.norm_temp = torch.nn.LayerNorm(own.query_dim)
            block.attn_temp = Attention(own.query_dim, heads=own.heads, dim_head=own.inner_dim // own.heads)
            for tensor in block.attn_temp.to_out[0].parameters():
                torch.nn.init.zeros_(tensor)
            example = next(own.parameters())
            block.norm_temp.to(example), block.attn_temp.to(example)


@contextmanager
def temporal_tails(unet: torch.nn.Module, num_frames: int) -> Generator[None, None, None]:
    """Inside, the tails of `add_temporal_tails` are at work on clips of `num_frames`."""

    def tail(block: torch.nn.Module, _: object, x: torch.Tensor) -> torch.Tensor:
        clips = block.norm_temp(x).unflatten(0, (-1, num_frames))  # (B, F, tokens, C)
        over_time = clips.transpose(1, 2).flatten(0, 1)  # (B * tokens, F, C)
        out = block.attn_temp(over_time).unflatten(0, (len(clips), -1)).transpose(1, 2)
        return x + out.flatten(0, 1)

    blocks = [m for m in unet.modules() if isinstance(m, BasicTransformerBlock) and hasattr(m, "attn_temp")]
    hooks = [block.register_forward_hook(tail) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
