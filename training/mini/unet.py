"""The U-Net: first one that draws images, then the same with temporal layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.models.embeddings import SinusoidalPositionalEmbedding

#: The longest clip the temporal layers can hold.
MAX_FRAMES = 32
HEADS = 4


def build_unet(widths: tuple[int, ...], text_width: int, sample_size: int, groups: int = 16) -> UNet2DConditionModel:
    """An image U-Net on 4-channel latents. The finest level has no attention: it costs more there than it gives."""
    n = len(widths)
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=4,
        out_channels=4,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (n - 1),
        up_block_types=("CrossAttnUpBlock2D",) * (n - 1) + ("UpBlock2D",),
        # The name misleads: diffusers takes it as the number of heads.
        attention_head_dim=HEADS,
        norm_num_groups=groups,
        cross_attention_dim=text_width,
        use_linear_projection=True,
    )


def add_motion(unet: UNet2DConditionModel) -> UNetMotionModel:
    """The same network with temporal layers that do nothing yet: at first each frame is drawn as before."""
    config = unet.config
    adapter = MotionAdapter(
        block_out_channels=config.block_out_channels,
        motion_layers_per_block=config.layers_per_block,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=config.norm_num_groups,
        motion_max_seq_length=MAX_FRAMES,
        use_motion_mid_block=True,
    )
    for name, module in adapter.named_modules():
        if name.endswith("proj_out"):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)
    return UNetMotionModel.from_unet2d(unet, adapter)


@contextmanager
def frame_positions(unet: torch.nn.Module, positions: Sequence[int]) -> Iterator[None]:
    """Tell the temporal layers which frames of a clip they see.

    Training on 8 frames of 16 costs half, and with their true positions all 16 places in time are learnt.
    """
    embeddings = [m for m in unet.modules() if isinstance(m, SinusoidalPositionalEmbedding)]
    full = [m.pe for m in embeddings]
    index = torch.as_tensor(list(positions))
    for module in embeddings:
        module.pe = module.pe[:, index]
    try:
        yield
    finally:
        for module, pe in zip(embeddings, full, strict=True):
            module.pe = pe


def plain_attention(unet: torch.nn.Module) -> None:
    """Let attention multiply matrices itself. On a CPU torch's fused attention is slower for thousands of sequences of
    a few frames, and in bfloat16 its backward pass takes a third of a step."""
    for module in unet.modules():
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())


def is_motion_parameter(name: str) -> bool:
    """Whether a parameter of a UNetMotionModel belongs to its temporal layers."""
    return "motion_modules" in name
