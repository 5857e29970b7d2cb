"""An image U-Net's weights in the library's video U-Net, whose temporal layers begin by doing nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from training.events import RunError

#: Of an image model's down and up blocks, the video form.
BLOCKS = {
    "CrossAttnDownBlock2D": "CrossAttnDownBlock3D",
    "DownBlock2D": "DownBlock3D",
    "CrossAttnUpBlock2D": "CrossAttnUpBlock3D",
    "UpBlock2D": "UpBlock3D",
}

#: What the video form takes over of an image model's configuration.
KEPT = (
    "sample_size", "in_channels", "out_channels", "block_out_channels", "layers_per_block", "downsample_padding",
    "mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps", "cross_attention_dim",
)  # fmt: skip

HINT = "Use a Stable Diffusion 2 model, or one built like it."


def inflated(unet: Any) -> Any:
    """A `UNet3DConditionModel` that draws each frame as `unet`, a `UNet2DConditionModel`, would; float32.

    Only the layers that `unet` does not have want gradients: four 3 x 1 x 1 convolutions after each residual block,
    attention over time after each spatial one, and attention over time at the beginning. The last layer of each is zero
    (Singer et al. 2022, section 3.2). Raises RunError when the video form has no place for one of `unet`'s layers.
    """
    from diffusers import UNet3DConditionModel

    try:
        video = UNet3DConditionModel(
            down_block_types=tuple(BLOCKS[name] for name in unet.config.down_block_types),
            up_block_types=tuple(BLOCKS[name] for name in unet.config.up_block_types),
            attention_head_dim=head_dim(unet.config),
            **{name: unet.config[name] for name in KEPT},
        )
        report = video.load_state_dict(unet.state_dict(), strict=False)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [""])[-1].strip()[:120]
        raise RunError(f"This image model has layers that the video form has no place for: {reason}", HINT) from error
    if report.unexpected_keys:
        raise RunError(
            f"This image model has layers that the video form has no place for: {report.unexpected_keys[0]}.", HINT
        )
    for name, module in video.named_modules():
        # The convolutions are so already, as the library makes them; said here too because all hangs on it.
        if is_temporal(name) and name.endswith((".proj_out", ".conv4.3")):
            silence(module)
    new = set(report.missing_keys)
    for name, parameter in video.named_parameters():
        parameter.requires_grad_(name in new)
    return video.float()


def head_dim(config: Any) -> int:
    """How wide a head of an image U-Net is. Its `attention_head_dim` says how many heads there are, for old reasons;
    the video form's, of the same name, how wide they are, and is one number for all levels. Raises RunError."""
    heads, levels = config.attention_head_dim, config.down_block_types
    counts = [heads] * len(levels) if isinstance(heads, int) else list(heads)
    widths = {
        channels // count
        for channels, count, level in zip(config.block_out_channels, counts, levels, strict=True)
        if level.startswith("CrossAttn")
    } | {config.block_out_channels[-1] // counts[-1]}
    if len(widths) != 1:
        raise RunError("The heads of this image model's attention are not all equally wide.", HINT)
    return widths.pop()


def is_temporal(name: str) -> bool:
    """Whether a layer of the video form is one that looks along time."""
    return any(part in name for part in ("temp_attentions", "temp_convs", "transformer_in"))


@torch.no_grad()
def silence(module: nn.Module) -> None:
    """Zero every weight of a module."""
    for parameter in module.parameters():
        parameter.zero_()
