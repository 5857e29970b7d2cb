"""Tiny random `unet3d` models in the on-disk format of the two published trainers, and a tiny BERT."""

from __future__ import annotations

import string
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig

# Large enough that a prompt shows in a clip, small enough that not every pixel is clipped.
GAIN = 4.0

WORDS = Unet3DConfig(dim=8, dim_mults=(1, 2), cond_dim=16, attn_heads=2, attn_dim_head=8, init_kernel_size=3)
WORDLESS = Unet3DConfig(dim=8, dim_mults=(1, 2), attn_heads=2, attn_dim_head=8, init_kernel_size=3)


def filled(network: Unet3D, seed: int = 0, gain: float = 1.0) -> Unet3D:
    """The network with weights that are a function of their names (and, unless 0, of a seed), times `gain`."""
    with torch.no_grad():
        for key, value in network.named_parameters():
            draw = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
            scale = gain * (0.05 if value.ndim > 1 else 0.1)
            value.copy_(torch.from_numpy(draw.standard_normal(value.shape) * scale))
    return network


def trainer_state(network: Unet3D, num_timesteps: int, wrapper: str = "") -> dict[str, torch.Tensor]:
    """state_dict of their GaussianDiffusion: the network, and its schedule in twelve float32 forms.

    wrapper: "module." when it was trained through DataParallel
    """
    position = torch.linspace(0, num_timesteps, num_timesteps + 1, dtype=torch.float64) / num_timesteps
    kept = torch.cos((position + 0.008) / 1.008 * torch.pi * 0.5) ** 2
    betas = torch.clip(1 - kept[1:] / kept[:-1], 0, 0.9999)
    alphas = 1 - betas
    cumprod = torch.cumprod(alphas, 0)
    before = torch.cat((torch.ones(1, dtype=torch.float64), cumprod[:-1]))
    variance = betas * (1 - before) / (1 - cumprod)
    buffers = {
        "betas": betas,
        "alphas_cumprod": cumprod,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": cumprod.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - cumprod).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - cumprod).log(),
        "sqrt_recip_alphas_cumprod": (1 / cumprod).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / cumprod - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - cumprod),
        "posterior_mean_coef2": (1 - before) * alphas.sqrt() / (1 - cumprod),
    }
    weights = {f"denoise_fn.{key}": value for key, value in network.state_dict().items()}
    return {f"{wrapper}{key}": value.float() for key, value in {**buffers, **weights}.items()}


def trainer_data(config: Unet3DConfig, num_timesteps: int = 10, wrapper: str = "") -> dict[str, Any]:
    """What their trainers save; the averaged weights differ from the last ones. 10 levels is FareedKhan's default."""
    last, averaged = filled(Unet3D(config), 1, GAIN), filled(Unet3D(config), 0, GAIN)
    return {
        "step": 1234,
        "model": trainer_state(last, num_timesteps, wrapper),
        "ema": trainer_state(averaged, num_timesteps, wrapper),
        "scaler": {},  # a GradScaler that is switched off
    }


def save_tiny_unet3d(folder: Path, config: Unet3DConfig = WORDLESS, num_timesteps: int = 10, wrapper: str = "") -> Path:
    """A folder with model-1.pt, and with an encoder when the network reads words."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(trainer_data(config, num_timesteps, wrapper), folder / "model-1.pt")
    if config.cond_dim:
        save_tiny_bert(folder, config.cond_dim)
    return folder


def save_tiny_bert(folder: Path, width: int) -> None:
    """tokenizer/ and text_encoder/ as transformers saves them; every letter is a token."""
    from diffscaler import compat

    compat.install()
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = string.ascii_lowercase
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)}, do_lower_case=False, model_max_length=32)
    tokenizer.save_pretrained(str(folder / "tokenizer"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(str(folder / "text_encoder"))
