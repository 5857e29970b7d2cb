"""How unsteady a clip's errors are along the motion: what is seen as flicker, as a loss.

After Lai et al. 2018, "Learning Blind Video Temporal Consistency", section 3.2 (temporal loss): here on the error,
so that what truly changes costs nothing.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.upscale.dis import dis_flow
from diffscaler.upscale.pair.network import from_cells
from diffscaler.upscale.pair.ssr import from_unit

#: Difference of a pixel from where the flow says it went, in pictures of -1..1, at which it counts 1 / e.
UNLIKE = 0.06


def motion(clip: Tensor) -> Tensor:
    """Where each pixel of a frame is in the next one, as grid_sample has it.

    clip: (F, 3, H, W) in -1..1; returns (F - 1, H, W, 2)
    """
    import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in from_unit(clip)]
    flow = torch.from_numpy(np.stack([dis_flow(a, b) for a, b in pairwise(grey)]))
    height, width = clip.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    there = torch.stack([x, y], dim=-1) + flow
    return (2 * there + 1) / torch.tensor([width, height]) - 1


def unsteadiness(error: Tensor, high: Tensor, patch: int) -> Tensor:
    """Mean square of what errors differ by along the motion.

    error: (B, F, C, h, w), in cells; high: (B, F, 3, H, W), the clips whose errors they are, in -1..1
    """
    pixels, found = from_cells(error, patch), []
    for own, clip in zip(pixels, high, strict=True):
        grid = motion(clip)

        def fetched(frames: Tensor, grid: Tensor = grid) -> Tensor:
            return F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)

        gap = (fetched(clip[1:]) - clip[:-1]).abs().mean(dim=1, keepdim=True)
        seen = torch.exp(-(gap / UNLIKE).square())
        found.append((seen * (fetched(own[1:]) - own[:-1]).square()).mean())
    return torch.stack(found).mean()
