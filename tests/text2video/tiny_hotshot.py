"""A tiny Hotshot-XL model in the format it is published in, its names written out by hand.

Weights are a function of their name, so the numbers of the original implementation can be compared with (tests/data).
"""

from __future__ import annotations

import json
import math
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).resolve().parent.parent / "data"
CHANNELS = (32, 64, 64)
POSITIONS = 24

#: As diffusers writes an image U-Net of SDXL, only smaller.
IMAGE_CONFIG: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": list(CHANNELS),
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [2, 4, 8],
    "cross_attention_dim": 24,
    "transformer_layers_per_block": [1, 1, 2],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 64,
}

#: As Hotshot-XL writes it.
HOTSHOT_CONFIG: dict[str, Any] = {
    **IMAGE_CONFIG,
    "_class_name": "UNet3DConditionModel",
    "_diffusers_version": "0.21.4",
    "down_block_types": ["DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"],
    "mid_block_type": "UNetMidBlock3DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"],
}

#: Hotshot-XL's name in a temporal layer, diffusers' name, shape in units of the layer's channels (0: one).
#: fmt: off
TEMPORAL = [
    ("norm.weight", "norm.weight", (1,)),
    ("norm.bias", "norm.bias", (1,)),
    ("proj_in.weight", "proj_in.weight", (1, 1)),
    ("proj_in.bias", "proj_in.bias", (1,)),
    ("transformer_blocks.0.attention_blocks.0.to_q.weight", "transformer_blocks.0.attn1.to_q.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.0.to_k.weight", "transformer_blocks.0.attn1.to_k.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.0.to_v.weight", "transformer_blocks.0.attn1.to_v.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.0.to_out.0.weight", "transformer_blocks.0.attn1.to_out.0.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.0.to_out.0.bias", "transformer_blocks.0.attn1.to_out.0.bias", (1,)),
    ("transformer_blocks.0.attention_blocks.1.to_q.weight", "transformer_blocks.0.attn2.to_q.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.1.to_k.weight", "transformer_blocks.0.attn2.to_k.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.1.to_v.weight", "transformer_blocks.0.attn2.to_v.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.1.to_out.0.weight", "transformer_blocks.0.attn2.to_out.0.weight", (1, 1)),
    ("transformer_blocks.0.attention_blocks.1.to_out.0.bias", "transformer_blocks.0.attn2.to_out.0.bias", (1,)),
    ("transformer_blocks.0.norms.0.weight", "transformer_blocks.0.norm1.weight", (1,)),
    ("transformer_blocks.0.norms.0.bias", "transformer_blocks.0.norm1.bias", (1,)),
    ("transformer_blocks.0.norms.1.weight", "transformer_blocks.0.norm2.weight", (1,)),
    ("transformer_blocks.0.norms.1.bias", "transformer_blocks.0.norm2.bias", (1,)),
    ("transformer_blocks.0.ff_norm.weight", "transformer_blocks.0.norm3.weight", (1,)),
    ("transformer_blocks.0.ff_norm.bias", "transformer_blocks.0.norm3.bias", (1,)),
    ("transformer_blocks.0.ff.net.0.proj.weight", "transformer_blocks.0.ff.net.0.proj.weight", (8, 1)),
    ("transformer_blocks.0.ff.net.0.proj.bias", "transformer_blocks.0.ff.net.0.proj.bias", (8,)),
    ("transformer_blocks.0.ff.net.2.weight", "transformer_blocks.0.ff.net.2.weight", (1, 4)),
    ("transformer_blocks.0.ff.net.2.bias", "transformer_blocks.0.ff.net.2.bias", (1,)),
    ("proj_out.weight", "proj_out.weight", (1, 1)),
    ("proj_out.bias", "proj_out.bias", (1,)),
]
#: fmt: on
POSITION_CODES = [f"transformer_blocks.0.attention_blocks.{i}.pos_encoder.positional_encoding" for i in (0, 1)]


def named_weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """What the original's numbers were made with: a tensor from its name in diffusers, float64."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    values *= 0.05 if len(shape) > 1 else 0.1
    return torch.from_numpy(values + 1.0 if "norm" in key and key.endswith("weight") else values)


def sinusoids(length: int, channels: int) -> torch.Tensor:
    """Vaswani et al. 2017, section 3.5; float64 (1, length, channels)."""
    frequencies = torch.exp(torch.arange(0, channels, 2, dtype=torch.float64) * (-math.log(10000.0) / channels))
    angles = torch.arange(length)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[None]


def original_positions(channels: int) -> torch.Tensor:
    """The positional code the original ran with: single precision, whose last bit depends on the processor it was made
    on. Its first frames were found from its outputs; a file of Hotshot-XL brings all of them along."""
    code = sinusoids(POSITIONS, channels)
    with np.load(DATA / "hotshot_tiny_positions.npz", allow_pickle=False) as stored:
        first = torch.from_numpy(stored[f"channels_{channels}"]).double()
    code[0, : len(first)] = first
    return code


def temporal_layers() -> dict[str, int]:
    """Place of each temporal layer in Hotshot-XL -> its channels."""
    down = {f"down_blocks.{i}.temporal_attentions.{j}": c for i, c in enumerate(CHANNELS) for j in range(2)}
    up = {f"up_blocks.{i}.temporal_attentions.{j}": c for i, c in enumerate(reversed(CHANNELS)) for j in range(3)}
    return {**down, **up}


def temporal_state() -> dict[str, torch.Tensor]:
    """The temporal tensors under Hotshot-XL's names, float64."""
    state: dict[str, torch.Tensor] = {}
    for place, channels in temporal_layers().items():
        there = place.replace("temporal_attentions", "motion_modules")
        for ours, theirs, units in TEMPORAL:
            state[f"{place}.{ours}"] = named_weight(f"{there}.{theirs}", tuple(n * channels for n in units))
        for name in POSITION_CODES:
            state[f"{place}.{name}"] = original_positions(channels)
    return state


@cache
def _image_shapes() -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in tiny_unet2d(0).state_dict().items()}


def spatial_state() -> dict[str, torch.Tensor]:
    """The tensors of the image U-Net, float64."""
    return {key: named_weight(key, shape) for key, shape in _image_shapes().items()}


def tiny_unet2d(seed: int, **changes: Any) -> Any:
    """An image U-Net with random weights, float64."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    return UNet2DConditionModel(**{**IMAGE_CONFIG, **changes}).double().eval()


def write_folder(folder: Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> Path:
    """A folder of one model, as diffusers and Hotshot-XL lay it out."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(state, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return folder


def save_tiny_hotshot(folder: Path) -> Path:
    """Write `unet/` and hsxl_temporal_layers.safetensors, as in Hotshot-XL's repository."""
    from safetensors.torch import save_file

    write_folder(folder / "unet", HOTSHOT_CONFIG, {**spatial_state(), **temporal_state()})
    save_file(temporal_state(), folder / "hsxl_temporal_layers.safetensors")
    return folder


def save_tiny_sdxl(folder: Path) -> Path:
    """Write the image U-Net alone into `unet/`, as SDXL's repository has it."""
    write_folder(folder / "unet", {**IMAGE_CONFIG, "_class_name": "UNet2DConditionModel"}, spatial_state())
    return folder


def random(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal, float64: the inputs of the original's run."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape))


def inputs(num_frames: int = 5) -> dict[str, Any]:
    """What the original was given, as a UNetMotionModel takes it."""
    sizes = [[64, 96, 0, 0, 64, 96], [32, 32, 4, 0, 64, 96]]
    return {
        "sample": random(1, 2, 4, num_frames, 8, 12),
        "timestep": torch.tensor([500, 37]),
        "encoder_hidden_states": random(2, 2, 7, 24).repeat_interleave(num_frames, dim=0),
        "added_cond_kwargs": {
            "text_embeds": random(3, 2, 16),
            "time_ids": torch.tensor(sizes, dtype=torch.float64),
        },
    }
