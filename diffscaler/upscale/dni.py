"""Deep network interpolation: one network between two of the same shape (Wang et al. 2019, CVPR)."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from diffscaler.errors import InvalidRequest
from diffscaler.upscale.tile import Upscaler


@torch.inference_mode()
def between(strong: Upscaler, weak: Upscaler, strength: float) -> Upscaler:
    """The upscaler whose every weight is strength * strong + (1 - strength) * weak.

    strength: 0..1, as Real-ESRGAN's denoise_strength. Raises InvalidRequest when the two are not of one shape.
    """
    mine, other = strong.network.state_dict(), weak.network.state_dict()
    if {name: value.shape for name, value in mine.items()} != {name: value.shape for name, value in other.items()}:
        raise InvalidRequest(
            "The two upscalers of the pair are not of one shape, so there is nothing between them.",
            "Use two files of one release, or leave the denoise strength at 1.",
        )
    network = copy.deepcopy(strong.network)
    # Winograd's transform of the weights is linear, so what lies between the transformed is the transform of it.
    network.load_state_dict({name: torch.lerp(other[name], mine[name], strength) for name in mine})
    reach = None if strong.reach_px is None or weak.reach_px is None else max(strong.reach_px, weak.reach_px)
    return replace(strong, network=network, reach_px=reach)
