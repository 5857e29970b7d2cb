"""Clips longer than a model's window: overlapping windows, their predictions blended at every step.

Bar-Tal et al. 2023, "MultiDiffusion", eq. 5: the least-squares merge is the weighted mean of overlapping predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def windows(num_frames: int, window: int, overlap: int) -> list[range]:
    """Frame ranges of `window` frames that cover a clip, neighbours sharing at least `overlap` frames.

    One range when the clip fits into one window. Raises ValueError when a window would not advance.
    """
    if num_frames <= window:
        return [range(num_frames)]
    if not 0 <= overlap < window:
        raise ValueError(f"an overlap of {overlap} frames does not fit a window of {window}")
    count = -(-(num_frames - overlap) // (window - overlap))
    # Spread evenly: the last window is as long as the others and ends with the clip.
    starts = [round(i * (num_frames - window) / (count - 1)) for i in range(count)]
    return [range(start, start + window) for start in starts]


def weights(window: int) -> list[float]:
    """How much a window says about each of its frames: a triangle, most in its middle, never nothing."""
    middle = (window - 1) / 2
    return [1 - abs(i - middle) / (middle + 1) for i in range(window)]


def blended(predict: Callable[[Any, Sequence[int]], Any], latents: Any, window: int, overlap: int) -> Any:
    """The prediction for a whole clip, from a network that sees `window` frames at a time.

    predict(part, frames): a prediction like `part`, for part = latents[:, :, frames]; latents: (B, C, F, h, w)
    One window is exactly one call with the latents as they are.
    """
    import torch

    ranges = windows(latents.shape[2], window, overlap)
    if len(ranges) == 1:
        return predict(latents, ranges[0])
    weight = torch.tensor(weights(window), device=latents.device, dtype=latents.dtype)
    total, share = torch.zeros_like(latents), weight.new_zeros(latents.shape[2])
    for frames in ranges:
        part = slice(frames.start, frames.stop)
        total[:, :, part] += predict(latents[:, :, part], frames) * weight[:, None, None]
        share[part] += weight
    return total / share[:, None, None]
