"""A tiny random AnimateDiff model in the real on-disk format."""

from __future__ import annotations

import string
from pathlib import Path


def save_tiny_animatediff(path: Path, seed: int = 0) -> Path:
    """Write a complete diffusers folder with random weights; 32x32 pictures, 8x8 latents."""
    from diffscaler import compat

    compat.install()
    import torch
    from diffusers import (
        AnimateDiffPipeline,
        AutoencoderKL,
        DDIMScheduler,
        MotionAdapter,
        UNet2DConditionModel,
        UNetMotionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    letters = string.ascii_lowercase
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=16)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=32,
        scaling_factor=1.0,
    )
    unet2d = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
        use_linear_projection=True,
    )
    adapter = MotionAdapter(
        block_out_channels=(16, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=32,
    )
    unet = UNetMotionModel.from_unet2d(unet2d, adapter)
    scheduler = DDIMScheduler(prediction_type="v_prediction", clip_sample=False, timestep_spacing="trailing")
    pipe = AnimateDiffPipeline(vae, text_encoder, tokenizer, unet, None, scheduler)
    pipe.save_pretrained(str(path))
    return path
