"""FreeInit: a clip is drawn again from its own coarse shape in space and time, which frames then agree on.

Wu et al. 2023, "FreeInit: Bridging Initialization Gap in Video Diffusion Models", section 4.2 and algorithm 1: the
finished latents get the first noise back to the full (z_T), of which low frequencies stay and high ones are drawn anew.
Training leaves a little of the clip in what it calls pure noise; sampling from true noise lacks it, and this gives it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch

from diffscaler.errors import InvalidRequest

FilterName = Literal["butterworth", "gaussian"]

#: Normalised stop frequencies in space and time, and the Butterworth filter's order, as the paper and the library have.
STOP_SPACE, STOP_TIME, ORDER = 0.25, 0.25, 4

#: Less of the clip than this at the end of a noise schedule is nothing: zero terminal SNR, 2**-24 in some samplers.
LEAST_SIGNAL = 1e-5

GAINS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "butterworth": lambda square: 1 / (1 + (square / STOP_SPACE**2) ** ORDER),
    "gaussian": lambda square: torch.exp(-square / (2 * STOP_SPACE**2)),
}


def low_pass(shape: tuple[int, int, int], kind: str) -> torch.Tensor:
    """How much of each frequency stays, 0..1, float32 (F, h, w), zero frequency in the middle as fftshift has it.

    kind: a key of GAINS
    """
    # The published filter's middle lies half a cell beside fftshift's where a side is odd; kept as it is.
    time, height, width = ((2 * torch.arange(size, dtype=torch.float64) / size - 1) ** 2 for size in shape)
    stretched = time * (STOP_SPACE / STOP_TIME) ** 2
    return GAINS[kind](stretched[:, None, None] + height[:, None] + width).float()


def mixed_frequencies(coarse: torch.Tensor, fine: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Low frequencies of `coarse` and high ones of `fine`, both float32 (..., F, h, w); kept: see low_pass."""
    axes = (-3, -2, -1)
    low = torch.fft.fftshift(torch.fft.fftn(coarse, dim=axes), dim=axes) * kept
    high = torch.fft.fftshift(torch.fft.fftn(fine, dim=axes), dim=axes) * (1 - kept)
    return torch.fft.ifftn(torch.fft.ifftshift(low + high, dim=axes), dim=axes).real


def signal_left(scheduler: Any) -> float:
    """The share of a clip's variance that the end of a model's noise schedule still holds.

    Raises InvalidRequest where nothing is left: a clip would be drawn anew then, not refined.
    """
    left = float(scheduler.alphas_cumprod[-1])
    if left < LEAST_SIGNAL:
        raise InvalidRequest(
            "This model's noise schedule ends in pure noise, so there is nothing that FreeInit could refine.",
            "Set the refining passes to 0.",
        )
    return left


def reinitialised(
    latents: torch.Tensor, noise: torch.Tensor, fresh: torch.Tensor, left: float, kind: str
) -> torch.Tensor:
    """The noise that the next pass is drawn from, standard normal in its high frequencies.

    latents: what the last pass drew; noise: what the first was drawn from; fresh: new noise, all (B, C, F, h, w)
    left: see signal_left; kind: a key of GAINS
    Computed on the CPU in float32, so that every device goes on from the same noise; returned where `latents` are.
    """
    at = latents.device
    latents, noise, fresh = (tensor.float().cpu() for tensor in (latents, noise, fresh))
    noisy = math.sqrt(left) * latents + math.sqrt(1 - left) * noise
    frames, height, width = latents.shape[-3:]
    return mixed_frequencies(noisy, fresh, low_pass((frames, height, width), kind)).to(at)
