"""Hotshot-XL's networks with random weights, made where they run: nothing is downloaded or touches the disk."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffscaler.models.device import Device


@dataclass(frozen=True)
class Layout:
    """What one size of the networks differs in from another. Encoders: width, layers, heads."""

    channels: tuple[int, ...]
    layers: int
    heads: tuple[int, ...]
    transformer_layers: tuple[int, ...]
    time_width: int
    encoders: tuple[tuple[int, int, int], tuple[int, int, int]]
    vae_channels: tuple[int, ...]
    vocabulary: int
    tokens: int


#: SDXL's own numbers: U-Net, CLIP ViT-L and OpenCLIP ViT-bigG, VAE.
SDXL = Layout(
    (320, 640, 1280), 2, (5, 10, 20), (1, 2, 10), 256,
    ((768, 12, 12), (1280, 32, 20)), (128, 256, 512, 512), 49408, 77,
)  # fmt: skip
#: The same parts in the same places, small enough for a test.
TINY = Layout(
    (32, 32, 32), 1, (2, 2, 2), (1, 1, 1), 8,
    ((16, 2, 2), (16, 2, 2)), (32, 32, 32, 32), 128, 32,
)  # fmt: skip

POSITIONS = 24
WORDS = ["<|startoftext|>", "<|endoftext|>", *string.ascii_lowercase, *(f"{at}</w>" for at in string.ascii_lowercase)]


def random_pipeline(layout: Layout, device: Device) -> Any:
    """AnimateDiffSDXLPipeline with every part on the device, in its number format."""
    import torch
    from diffusers import AnimateDiffSDXLPipeline, EulerDiscreteScheduler
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer(
        vocab={word: i for i, word in enumerate(WORDS)}, merges=[], model_max_length=layout.tokens
    )
    first, second = (encoder_config(layout, index) for index in (0, 1))
    pipeline = AnimateDiffSDXLPipeline(
        vae=made_on(device, lambda: vae(layout)),
        text_encoder=made_on(device, lambda: CLIPTextModel(first)),
        text_encoder_2=made_on(device, lambda: CLIPTextModelWithProjection(second)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=made_on(device, lambda: unet(layout)),
        motion_adapter=None,
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def made_on(device: Device, make: Callable[[], Any]) -> Any:
    """A network whose weights are born on the device in its number format: it is never there twice."""
    import torch

    usual = torch.get_default_dtype()
    torch.set_default_dtype(device.torch_dtype)
    try:
        with torch.device(device.torch_name):
            return make().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(usual)


def unet(layout: Layout) -> Any:
    """The U-Net with temporal layers, as Hotshot-XL has it."""
    from diffusers.models.unets.unet_motion_model import UNetMotionModel

    from diffscaler.text2video.hotshot.config import empty_unet

    image = {
        "sample_size": 64,
        "block_out_channels": list(layout.channels),
        "layers_per_block": layout.layers,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "attention_head_dim": list(layout.heads),
        "cross_attention_dim": sum(width for width, _, _ in layout.encoders),
        "transformer_layers_per_block": list(layout.transformer_layers),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": layout.time_width,
        "projection_class_embeddings_input_dim": layout.encoders[1][0] + 6 * layout.time_width,
    }
    temporal = {
        "block_out_channels": list(layout.channels),
        "motion_layers_per_block": layout.layers,
        "motion_max_seq_length": POSITIONS,
        "use_motion_mid_block": False,
    }
    return UNetMotionModel.from_config(empty_unet(image, temporal).config)


def encoder_config(layout: Layout, index: int) -> Any:
    """Of SDXL's first or second text encoder."""
    from transformers import CLIPTextConfig

    width, layers, heads = layout.encoders[index]
    return CLIPTextConfig(
        vocab_size=layout.vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=layout.tokens,
        projection_dim=width,
        hidden_act=("quick_gelu", "gelu")[index],
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def vae(layout: Layout) -> Any:
    """SDXL's VAE: one latent for 8 x 8 pixels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=layout.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.13025,
    )
