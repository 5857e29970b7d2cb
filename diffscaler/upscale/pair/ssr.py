"""Spatial super-resolution by the pair: small frames in, frames `patch` times larger out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.upscale.pair.sampling import noise_field
from diffscaler.upscale.pair.tiles import OTHER_NOISE, LoadedPair, OnTile, Sampler, residual_of


def bicubic(small: Tensor, scale: int) -> Tensor:
    """(N, 3, h, w) -> (N, 3, scale h, scale w), as far beyond -1..1 as the filter goes."""
    return F.interpolate(small, scale_factor=scale, mode="bicubic", align_corners=False)


def to_unit(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 RGB (F, H, W, 3) -> float32 (F, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def from_unit(clip: Tensor) -> npt.NDArray[np.uint8]:
    """(F, 3, H, W) in -1..1 -> uint8 RGB (F, H, W, 3)."""
    return ((clip + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.inference_mode()
def enlarged(
    pair: LoadedPair,
    frames: npt.NDArray[np.uint8],
    sampler: Sampler,
    on_tile: OnTile = lambda done, total: None,
) -> Tensor:
    """The frames of a window, uint8 RGB (F, h, w, 3), drawn larger: float32 (F, 3, patch h, patch w), levels 0..255."""
    config = pair.network.config
    height, width = frames.shape[1:3]
    small = to_unit(frames)
    # The network halves the cells: an odd side gets one more, the last repeated.
    given = F.pad(small, (0, width % 2, 0, height % 2), mode="replicate")
    tall, wide = given.shape[-2:]
    told = given + sampler.level * noise_field(3, tall, wide, sampler.seed + OTHER_NOISE)
    residual = residual_of(pair, told, sampler, on_tile)[..., : height * config.patch, : width * config.patch]
    return (bicubic(small, config.patch) + residual + 1) * 127.5
