"""Which elements a GroupNorm counts over in a video network.

"hotshot": Hotshot-XL runs the GroupNorms of its resnets and the last one on 5-D tensors, so their statistics are joint
over a clip's frames, and that of a temporal layer on single frames. "per-frame": diffusers' UNetMotionModel as it is,
for AnimateDiff-SDXL and whatever was trained with it: the reverse in all three places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D, UNetMotionModel

NormMode = Literal["hotshot", "per-frame"]

# Where the network keeps its switch: its norms and its hook share one, and a copy of the network has its own.
_SWITCH = "_diffscaler_joint_norms"


@dataclass
class _ClipLength:
    """Frames per clip in the batch on its way through the network."""

    num_frames: int = 1


class JointGroupNorm(torch.nn.GroupNorm):
    """A GroupNorm whose statistics are joint over the frames of each clip; clips of a batch stay apart, so that the
    halves of classifier-free guidance do not mix. Input (B*F, C, H, W), frames of a clip together."""

    def __init__(self, norm: torch.nn.GroupNorm, clip: _ClipLength) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, norm.affine, device="meta")
        _take_over(self, norm)
        self.clip = clip

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        clips = input.unflatten(0, (-1, self.clip.num_frames)).transpose(1, 2)
        return super().forward(clips).transpose(1, 2).flatten(0, 1)


class FrameGroupNorm(torch.nn.GroupNorm):
    """A GroupNorm whose statistics are those of a single frame. Input (B, C, F, H, W)."""

    def __init__(self, norm: torch.nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, norm.affine, device="meta")
        _take_over(self, norm)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        frames = input.transpose(1, 2)
        return super().forward(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).transpose(1, 2)


def norm_mode(unet: UNetMotionModel) -> NormMode:
    """The mode a network is in."""
    return "hotshot" if hasattr(unet, _SWITCH) else "per-frame"


def set_norm_mode(unet: UNetMotionModel, mode: NormMode) -> None:
    """Put a network into a mode, in place; its parameters stay the same objects under the same names.

    The number of frames is read from the sample (B, C, F, h, w) at every call. Raises ValueError for another mode.
    """
    if mode not in ("hotshot", "per-frame"):
        raise ValueError(f"norms are either 'hotshot' or 'per-frame', not {mode!r}")
    if mode == norm_mode(unet):
        return
    if mode == "hotshot":
        clip = _ClipLength()
        for owner, name, in_temporal_layer in _norms(unet):
            norm = getattr(owner, name)
            setattr(owner, name, FrameGroupNorm(norm) if in_temporal_layer else JointGroupNorm(norm, clip))
        setattr(unet, _SWITCH, unet.register_forward_pre_hook(_ReadLength(clip), with_kwargs=True))
        return
    for owner, name, _ in _norms(unet):
        norm = getattr(owner, name)
        plain = torch.nn.GroupNorm(norm.num_groups, norm.num_channels, norm.eps, norm.affine, device="meta")
        setattr(owner, name, _take_over(plain, norm))
    getattr(unet, _SWITCH).remove()
    delattr(unet, _SWITCH)


class _ReadLength:
    """Tells the norms how many frames a clip has. A class, so that a copied network's hook speaks to its own norms."""

    def __init__(self, clip: _ClipLength) -> None:
        self.clip = clip

    def __call__(self, unet: UNetMotionModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample = args[0] if args else kwargs["sample"]
        self.clip.num_frames = sample.shape[2]


def _norms(unet: UNetMotionModel) -> list[tuple[torch.nn.Module, str, bool]]:
    """Owner, name, and whether it is in a temporal layer, of each norm on which the two modes differ."""
    found: list[tuple[torch.nn.Module, str, bool]] = []
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D):
            found += [(module, "norm1", False), (module, "norm2", False)]
        elif isinstance(module, AnimateDiffTransformer3D):
            found.append((module, "norm", True))
    if unet.conv_norm_out is not None:
        found.append((unet, "conv_norm_out", False))
    return found


def _take_over(norm: torch.nn.GroupNorm, old: torch.nn.GroupNorm) -> torch.nn.GroupNorm:
    """`norm` with the parameters of `old`: the same objects, so an optimizer that has them keeps them."""
    norm.weight, norm.bias = old.weight, old.bias
    return norm.train(old.training)
