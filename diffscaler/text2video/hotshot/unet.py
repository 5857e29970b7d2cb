"""Puts a UNetMotionModel together from what is on a disk, strictly, and writes it as Hotshot-XL does.

The library's own `from_unet2d` copies weights but forgets `add_embedding`, which reads the pooled text and the sizes;
here it only lays the network out, and every tensor comes from a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.text2video.hotshot import keys
from diffscaler.text2video.hotshot.config import GROUPS, HEADS, empty_unet, heads, hotshot_config
from diffscaler.text2video.hotshot.files import WEIGHTS, name_of, read_weights
from diffscaler.text2video.hotshot.norms import NormMode, norm_mode, set_norm_mode

TEMPORAL = "hsxl_temporal_layers"

#: Written beside the tensors of our files; a file without it is in the mode its family was trained in.
NORM_MODE = "norm_mode"


def load_hotshot(folder: Path, dtype: torch.dtype | None = None) -> UNetMotionModel:
    """The U-Net in a `unet` folder of Hotshot-XL, in its norm mode, on the CPU and ready to draw.

    dtype: of every tensor; None keeps that of the file
    Raises ModelNotFound when the folder holds no whole Hotshot-XL network, or a pickle that wants more than tensors.
    """
    base = read_weights(folder)
    try:
        if not keys.is_hotshot(base.state):
            raise ValueError(f"it is a {str(base.config.get('_class_name', 'network'))[:60]} without temporal layers")
        state = keys.to_library(base.state)
        spatial = {key: tensor for key, tensor in state.items() if not keys.is_temporal(key)}
        temporal = {key: tensor for key, tensor in state.items() if keys.is_temporal(key)}
        return _assemble(base.config, spatial, temporal, {}, base.metadata.get(NORM_MODE, "hotshot"), dtype)
    except ValueError as error:
        raise ModelNotFound(
            f"The U-Net in {name_of(folder)} is not Hotshot-XL's: {error}.", "Add the whole model again."
        ) from error


def load_adapted(folder: Path, temporal: Path, dtype: torch.dtype | None = None) -> UNetMotionModel:
    """An SDXL image U-Net (`folder`, a diffusers `unet` folder) with temporal layers from elsewhere.

    temporal: a file of temporal tensors (Hotshot-XL's hsxl_temporal_layers, or diffusers' names), a MotionAdapter
    folder, or a `unet` folder of Hotshot-XL, whose spatial tensors are then not used
    dtype: of every tensor; None keeps that of `folder`
    The norm mode is the one the temporal file says, else "hotshot" for Hotshot-XL's names and "per-frame" for others.
    Raises ModelNotFound when a part is missing, damaged or of another family, or the two do not fit together.
    """
    base, stored = read_weights(folder), read_weights(temporal)
    try:
        if keys.is_hotshot(base.state) or any(map(keys.is_temporal, base.state)):
            raise ValueError("that model has temporal layers already")
        hotshot = keys.is_hotshot(stored.state)
        state = keys.to_library(stored.state) if hotshot else stored.state
        layers = {key: tensor for key, tensor in state.items() if keys.is_temporal(key)}
        if not hotshot and len(layers) < len(state):
            raise ValueError(f"{next(key for key in state if key not in layers)[:200]!r} is not one of theirs")
        mode = stored.metadata.get(NORM_MODE, "hotshot" if hotshot else "per-frame")
        return _assemble(base.config, base.state, layers, {} if hotshot else stored.config, mode, dtype)
    except ValueError as error:
        raise ModelNotFound(
            f"The temporal layers in {name_of(temporal)} cannot be put into {name_of(folder)}: {error}.",
            "Layers of Hotshot-XL or AnimateDiff-SDXL fit U-Nets of SDXL.",
        ) from error


def max_frames(unet: UNetMotionModel) -> int:
    """How many frames the temporal layers have positions for: 24 in Hotshot-XL, 32 in AnimateDiff-SDXL."""
    return int(unet.config["motion_max_seq_length"])


def check_num_frames(unet: UNetMotionModel, num_frames: int) -> None:
    """Raises InvalidRequest for a clip, or a window of one, that is longer than the temporal layers can hold."""
    if num_frames > (most := max_frames(unet)):
        raise InvalidRequest(
            f"This model draws at most {most} frames at once, not {num_frames}.",
            f"Ask for {most} frames or fewer, or for overlapping windows.",
        )


def swap_base(unet: UNetMotionModel, unet2d: UNet2DConditionModel) -> None:
    """Give a network the spatial weights of another SDXL U-Net, in place; its temporal tensors stay as they are.

    Raises InvalidRequest, and changes nothing, when the two networks are not built alike.
    """
    own = unet.state_dict()
    state = {**unet2d.state_dict(), **{key: tensor for key, tensor in own.items() if keys.is_temporal(key)}}
    try:
        _require_same(own, state)
        # The number of heads leaves no trace in the shapes.
        if heads(unet.config) != heads(unet2d.config):
            raise ValueError("its attention has another number of heads")
    except ValueError as error:
        raise InvalidRequest(
            f"These temporal layers cannot be put into that model: {error}.", "Choose a model made from SDXL."
        ) from error
    unet.load_state_dict(state, strict=True)


def export_hotshot(unet: UNetMotionModel, folder: Path) -> None:
    """Write a network as Hotshot-XL publishes it: `unet/` for Hotshot-XL, and the temporal tensors alone, in the file
    that ComfyUI's AnimateDiff nodes read (`hsxl_temporal_layers`, with `.f16` for half precision).

    Raises InvalidRequest when Hotshot-XL has no place for what the network holds.
    """
    from safetensors.torch import save_file

    state = {key: tensor.detach() for key, tensor in unet.state_dict().items()}
    try:
        config = hotshot_config(unet)
        with torch.device("meta"):
            # A network with a LoRA in it has other tensors than its config says.
            layout: Any = UNetMotionModel.from_config(unet.config)
            _require_same(layout.state_dict(), state)
        state = keys.to_hotshot(state)
    except ValueError as error:
        raise InvalidRequest(
            f"This model cannot be written in Hotshot-XL's format: {error}.",
            "Only networks laid out as Hotshot-XL's can be; take LoRAs off or merge them first.",
        ) from error
    state = {key: tensor.contiguous() for key, tensor in state.items()}
    layers = {key: tensor for key, tensor in state.items() if keys.is_hotshot({key: tensor})}
    half = ".f16" if unet.dtype == torch.float16 else ""
    (folder / "unet").mkdir(parents=True, exist_ok=True)
    for target, tensors in {
        folder / f"{TEMPORAL}{half}.safetensors": layers,
        folder / "unet" / f"{WEIGHTS}.safetensors": state,
    }.items():
        part = target.with_suffix(".part")
        save_file(tensors, part, metadata={"format": "pt", NORM_MODE: norm_mode(unet)})
        # Whole or not at all; what is written over may be the file that these very tensors are mapped from.
        os.replace(part, target)
    (folder / "unet" / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def _assemble(
    config: dict[str, Any],
    spatial: keys.State,
    temporal: keys.State,
    adapter: dict[str, Any],
    mode: str,
    dtype: torch.dtype | None,
) -> UNetMotionModel:
    """config, spatial: of the image network; adapter: a MotionAdapter's config, {} where only tensors are known.

    Raises ValueError when the tensors are not exactly those of the network described.
    """
    codes = [tensor for key, tensor in temporal.items() if key.endswith(".pos_embed.pe")]
    if not codes or codes[0].ndim != 3:
        raise ValueError("there are no temporal layers with a positional code")
    known = {
        "block_out_channels": config.get("block_out_channels"),
        "motion_layers_per_block": config.get("layers_per_block", 2),
        "motion_max_seq_length": codes[0].shape[1],
        "motion_norm_num_groups": GROUPS,
        "motion_num_attention_heads": HEADS,
        "use_motion_mid_block": any(key.startswith("mid_block.") for key in temporal),
    }
    unet = empty_unet(config, known | {name: value for name, value in adapter.items() if not name.startswith("_")})
    state = {**spatial, **temporal}
    _require_same(unet.state_dict(), state)
    wanted = dtype or spatial["conv_in.weight"].dtype
    # Assigned, not copied: a network this large then lies in memory once.
    unet.load_state_dict({key: tensor.to(wanted) for key, tensor in state.items()}, strict=True, assign=True)
    set_norm_mode(unet, cast(NormMode, mode))
    return unet.eval()


def _require_same(expected: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError unless both hold the same names with the same shapes."""
    if missing := [key for key in expected if key not in state]:
        raise ValueError(f"{len(missing)} of {len(expected)} tensors are missing, {missing[0]!r} among them")
    if unknown := [key for key in state if key not in expected]:
        raise ValueError(f"{len(unknown)} tensors have no place, {unknown[0][:200]!r} among them")
    for key, tensor in expected.items():
        if tensor.shape != state[key].shape:
            raise ValueError(f"{key!r} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}")
