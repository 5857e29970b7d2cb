"""Background smoothing: frames that move by a known shift take their background from the first frame's.

Khachatryan et al. 2023 (Text2Video-Zero, section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from diffscaler.text2video.foreground import Mask

#: Latent cells that a mask is widened by on each side: the paper's release dilates by 5 x 5.
WIDER = 2


def latent_masks(masks: Mask, height: int, width: int) -> torch.Tensor:
    """Masks of frames, bool (F, H, W), as those of latents: float32 (F, 1, height, width), widened, 1 in front."""
    found = torch.from_numpy(masks)[:, None].float()
    small = F.interpolate(found, (height, width), mode="nearest")
    return F.max_pool2d(small, 2 * WIDER + 1, stride=1, padding=WIDER)


def smoothed(
    latents: torch.Tensor, masks: torch.Tensor, warp: Callable[[torch.Tensor], torch.Tensor], share: float
) -> torch.Tensor:
    """Noisy latents (F, C, h, w) whose background is, by `share` in 0..1, the first frame's, moved along.

    masks: (F, 1, h, w), 1 in the foreground; warp: frames 1.. of a clip that stands still, each moved to where it
    belongs. Outside of what is in front here, or was in the first frame, x_k <- (1 - share) x_k + share warp_k(x_1);
    the paper's alpha is the share, its release's smooth_bg_strength is 1 - share.
    """
    first, others = latents[:1], latents[1:]
    behind = warp((first * (1 - masks[:1])).expand_as(others))
    uncovered = (1 - masks[1:]) * (1 - warp(masks[:1].expand_as(masks[1:])))
    mixed = (1 - share) * others + share * behind
    return torch.cat([first, (1 - uncovered) * others + uncovered * mixed])
