"""ControlNets of SDXL over the frames of a clip: each frame is led by a picture of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.errors import InvalidRequest
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.folder import said_what_is_wrong

Frames = npt.NDArray[np.uint8]

#: One tensor (B*F, C, h, w) for each skip of the U-Net, and one for its middle; None, None is no ControlNet at all.
Residuals = tuple[list[torch.Tensor], torch.Tensor] | tuple[None, None]


def scales_at(
    step: int, num_inference_steps: int, scales: Sequence[float], starts: Sequence[float], ends: Sequence[float]
) -> list[float]:
    """What each ControlNet's scale is at a step (0 is the first): its own, or 0 outside its part of the sampling.

    starts, ends: 0..1, fractions of the steps; a step counts when it lies inside from its beginning to its end, as in
    diffusers' `control_guidance_start` and `control_guidance_end`
    """
    begin, end = step / num_inference_steps, (step + 1) / num_inference_steps
    return [
        0.0 if begin < start or end > stop else scale for scale, start, stop in zip(scales, starts, ends, strict=True)
    ]


def residuals(
    controlnets: Sequence[Any],
    latents: torch.Tensor,
    timestep: torch.Tensor | float,
    text: torch.Tensor,
    added: dict[str, torch.Tensor],
    images: Sequence[torch.Tensor],
    scales: Sequence[float],
) -> Residuals:
    """What ControlNets add to the skips and the middle of a UNetMotionModel, summed over the ControlNets.

    controlnets: diffusers ControlNetModels made for SDXL; latents: (B, C, F, h, w) as the U-Net is given them, with the
    halves of guidance already in B; timestep: one for all, or (B,)
    text: (B, N, D), one row per clip; added: text_embeds (B, P) and time_ids (B, 6), likewise
    images: for each ControlNet, RGB 0..1, (F, 3, 8h, 8w) for every clip or (B, F, 3, 8h, 8w)
    scales: for each ControlNet, 0 or more
    Returns the U-Net's `down_block_additional_residuals` and `mid_block_additional_residual`. A ControlNet at 0 is not
    run; with all at 0 both are None, and the U-Net draws exactly as if there were none.
    Raises InvalidRequest for a ControlNet of another family, ValueError for images of another length or number.
    """
    clips, _, num_frames = latents.shape[:3]
    sample = latents.transpose(1, 2).flatten(0, 1)
    words = text.repeat_interleave(num_frames, dim=0)
    conditions = {name: value.repeat_interleave(num_frames, dim=0) for name, value in added.items()}
    if isinstance(timestep, torch.Tensor) and timestep.ndim == 1 and len(timestep) == clips:
        timestep = timestep.repeat_interleave(num_frames, dim=0)
    skips: list[torch.Tensor] | None = None
    middle: torch.Tensor | None = None
    for net, pictures, scale in zip(controlnets, images, scales, strict=True):
        if not scale:
            continue
        _require_sdxl(net, text.shape[-1])
        if pictures.shape[-4] != num_frames:
            raise ValueError(f"{pictures.shape[-4]} control images for {num_frames} frames")
        per_clip = pictures.expand(clips, *pictures.shape[-4:]).flatten(0, 1)
        down, mid = net(
            sample,
            timestep,
            encoder_hidden_states=words,
            controlnet_cond=per_clip.to(sample),
            conditioning_scale=scale,
            added_cond_kwargs=conditions,
            return_dict=False,
        )
        skips = list(down) if skips is None else [a + b for a, b in zip(skips, down, strict=True)]
        middle = mid if middle is None else middle + mid
    return (None, None) if skips is None or middle is None else (skips, middle)


def canny(frames: Frames, low: int = 100, high: int = 200) -> Frames:
    """Edges by Canny 1986, white on black, as a ControlNet for edges was taught to read them.

    frames: uint8 RGB (F, H, W, 3); low, high: hysteresis thresholds of the gradient, 0..255 and more
    Returns uint8 RGB (F, H, W, 3), every pixel 0 or 255.
    """
    import cv2

    edges = [cv2.Canny(np.ascontiguousarray(frame), low, high) for frame in frames]
    return np.repeat(np.stack(edges)[..., None], 3, axis=-1).astype(np.uint8)


def load_controlnet(spec: ModelSpec, device: Any) -> Any:
    """A diffusers ControlNetModel on `device` (models.device.Device). Raises ModelNotFound."""
    from diffusers import ControlNetModel

    assert spec.path is not None
    with said_what_is_wrong(spec.path):
        net = ControlNetModel.from_pretrained(
            str(spec.path), local_files_only=True, use_safetensors=True, dtype=getattr(torch, device.dtype)
        )
        return net.to(device.torch_name).eval().requires_grad_(False)


def _require_sdxl(net: Any, text_width: int) -> None:
    """Raise InvalidRequest for a ControlNet that cannot read this model's words."""
    if net.config.addition_embed_type != "text_time" or net.config.cross_attention_dim != text_width:
        raise InvalidRequest("This ControlNet is not made for SDXL.", "Choose one made for SDXL.")
