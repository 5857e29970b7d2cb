"""What a config.json says about an SDXL U-Net with temporal layers, in Hotshot-XL's words and in diffusers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import MotionAdapter, UNetMotionModel

#: Attention heads and norm groups of Hotshot-XL's temporal layers: its code fixes them, its files do not say them.
HEADS, GROUPS = 8, 32

# Settings of an image network that UNetMotionModel takes for granted.
_GRANTED: dict[str, Any] = {
    "act_fn": "silu",
    "center_input_sample": False,
    "class_embed_type": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "dual_cross_attention": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "only_cross_attention": False,
    "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional",
}

# Settings that Hotshot-XL's UNet3DConditionModel and UNetMotionModel call alike.
_SHARED = """sample_size in_channels out_channels block_out_channels layers_per_block downsample_padding
mid_block_scale_factor act_fn norm_num_groups norm_eps cross_attention_dim transformer_layers_per_block
use_linear_projection encoder_hid_dim encoder_hid_dim_type addition_embed_type addition_time_embed_dim
projection_class_embeddings_input_dim time_cond_proj_dim""".split()


def empty_unet(config: Mapping[str, Any], adapter: Mapping[str, Any]) -> UNetMotionModel:
    """The layout of an SDXL U-Net with temporal layers, on the meta device: names and shapes, no memory.

    config: of a UNet2DConditionModel or of Hotshot-XL's UNet3DConditionModel; adapter: of a MotionAdapter
    Raises ValueError when the library cannot build that, or would build something else than was trained.
    """
    config = {name: _two_d(value) for name, value in config.items() if not name.startswith("_")}
    if config.get("addition_embed_type") != "text_time":
        raise ValueError("its network is not SDXL's")
    for name, granted in _GRANTED.items():
        if config.get(name, granted) != granted:
            raise ValueError(f"its {name} is {config[name]!r}, which networks with temporal layers do not know")
    # UNetMotionModel gives its temporal norms the groups of its other norms, whatever the adapter says.
    if adapter.get("motion_norm_num_groups", GROUPS) != config.get("norm_num_groups", GROUPS):
        raise ValueError("its norms have other groups than those of the temporal layers")
    try:
        with torch.device("meta"):
            unet2d: Any = UNet2DConditionModel.from_config(config)
            motion: Any = MotionAdapter.from_config(dict(adapter))
            unet: Any = UNetMotionModel.from_unet2d(unet2d, motion, load_weights=False)
    except Exception as error:  # whatever the library stumbles over in a config that makes no sense
        reason = str(error).strip().split("\n")[0][:120]
        raise ValueError(f"the library cannot build it ({reason})") from error
    return unet


def hotshot_config(unet: UNetMotionModel) -> dict[str, Any]:
    """The config.json Hotshot-XL would write for a network. Raises ValueError when it could not build that network."""
    config = dict(unet.config)
    for name, fixed in (("motion_num_attention_heads", HEADS), ("temporal_transformer_layers_per_block", 1)):
        values = config[name] if isinstance(config[name], list | tuple) else [config[name]]
        if any(value != fixed for value in values):
            raise ValueError(f"its {name} is not {fixed}")
    if config["norm_num_groups"] != GROUPS:
        raise ValueError(f"its norms do not have {GROUPS} groups")
    if config["use_motion_mid_block"] or config["reverse_transformer_layers_per_block"]:
        raise ValueError("its layers are laid out otherwise")
    return {name: config[name] for name in _SHARED} | {
        "_class_name": "UNet3DConditionModel",
        "attention_head_dim": heads(config),  # the only name Hotshot-XL takes for the number of heads
        "down_block_types": [kind.replace("Motion", "3D") for kind in config["down_block_types"]],
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "mid_block_type": "UNetMidBlock3DCrossAttn",
        "up_block_types": [kind.replace("Motion", "3D") for kind in config["up_block_types"]],
    }


def heads(config: Mapping[str, Any]) -> list[int]:
    """Attention heads of each block. diffusers once called their number `attention_head_dim`, and files still do."""
    said = config.get("num_attention_heads") or config["attention_head_dim"]
    return list(said) if isinstance(said, list | tuple) else [said] * len(config["block_out_channels"])


def _two_d(value: Any) -> Any:
    """A setting with Hotshot-XL's names of blocks (`DownBlock3D`) made those of the image network."""
    if isinstance(value, str):
        return value.replace("Block3D", "Block2D")
    return [_two_d(part) for part in value] if isinstance(value, list | tuple) else value
