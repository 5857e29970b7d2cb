"""Classifier-free guidance and its correction."""

from __future__ import annotations

from typing import Any


def guided(without: Any, with_words: Any, scale: float, rescale: float = 0.0) -> Any:
    """Ho & Salimans 2022, eq. 6: v = v(nothing) + scale (v(words) - v(nothing)).

    rescale: 0..1, how much of the growth in contrast that a large scale brings is taken back (Lin et al. 2023,
    section 3.4, eqs. 15 and 16: each clip gets back the standard deviation of the prediction with words)
    """
    result = without + scale * (with_words - without)
    if not rescale:
        return result
    axes = tuple(range(1, result.ndim))
    corrected = result * (with_words.std(dim=axes, keepdim=True) / result.std(dim=axes, keepdim=True))
    return rescale * corrected + (1 - rescale) * result
