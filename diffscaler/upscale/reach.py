"""How far a network looks: the input pixels around an output pixel that can change it.

Tiles that overlap by that much give what the whole picture gives. Two questions are put to the network itself, since a
file tells nothing about it: where does one pixel that is not a number show (the receptive field, a hard bound), and,
for networks whose field is wider than a tile, how far from a cut does the answer still differ (Luo et al. 2016,
"Understanding the effective receptive field", find that influence fades long before the field ends).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# A receptive field up to here is taken as it is; beyond, tiles would be mostly overlap.
HARD_PX = 48
# As far as fading is followed. A network that still looks at what is further away looks at everything.
FADE_PX = 96
# Outputs in 0..1 that differ by less are equal; a twentieth of it is left to the sum over a tile's sides.
EQUAL = 5e-7
THICK_PX = 16


@torch.inference_mode()
def reach_of(network: nn.Module, scale: int, multiple: int = 1) -> int | None:
    """Input pixels, in every direction, outside of which nothing changes an output pixel by 1e-5; None: no such bound.

    network: float32 on a CPU, (N, 3, H, W) -> (N, 3, scale H, scale W); multiple: what its input sides must be of
    """
    block = max(1, multiple)
    hard = max(receptive_px(network, scale, block, turned) for turned in (False, True))
    if hard <= HARD_PX:
        return hard
    faded = [fading_px(network, scale, block, turned) for turned in (False, True)]
    return None if None in faded else max(px for px in faded if px is not None)


def receptive_px(network: nn.Module, scale: int, block: int, turned: bool) -> int:
    """How far a pixel that is not a number spreads along a strip; more than HARD_PX when it reaches an end of it."""
    thick = _up(THICK_PX, block)
    middle = _up(HARD_PX + block, block)
    strip = torch.full((1, 3, thick, 2 * middle + block), 0.5)
    strip[..., middle] = torch.nan
    strip[..., middle + block - 1] = torch.nan
    shown = _along(network, strip, turned).isnan().any(0).any(0).nonzero().flatten()
    if not len(shown):
        raise ValueError("the network's output does not depend on its input")
    first, last = int(shown[0]) // scale, int(shown[-1]) // scale
    return max(middle - first, last - (middle + block - 1), 0)


def fading_px(network: nn.Module, scale: int, block: int, turned: bool) -> int | None:
    """How far from a cut through a strip of noise the answer differs by more than EQUAL; None: as far as was looked."""
    thick, cut = _up(THICK_PX, block), _up(FADE_PX, block)
    noise = torch.rand((1, 3, thick, cut + _up(FADE_PX + 32, block)), generator=torch.Generator().manual_seed(0))
    whole, part = _along(network, noise, turned), _along(network, noise[..., cut:], turned)
    gap = (whole[..., cut * scale :] - part).abs().amax((0, 1))
    differs = (gap > EQUAL).nonzero().flatten()
    px = int(differs[-1]) // scale + 1 if len(differs) else 0
    return px if px < FADE_PX else None


def _along(network: nn.Module, strip: Tensor, turned: bool) -> Tensor:
    """The network on a strip (1, 3, thick, long), stood upright when `turned`: float32 (3, thick', long')."""
    made: Any = network(strip.transpose(2, 3).contiguous() if turned else strip)
    return made[0].transpose(1, 2) if turned else made[0]


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
