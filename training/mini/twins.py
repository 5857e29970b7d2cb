"""Scenes in pairs that differ in one thing: which way everyone looks and goes."""

from __future__ import annotations

from typing import Any

import numpy as np

#: What twins do not have in common.
TURNED = ("facing", "direction", "camera")


def twin_pairs(records: list[dict[str, Any]]) -> np.ndarray:
    """Which clips are twins (`training.scenes.spec.twin_of`): int64 (pairs, 2), indices into the clip set.

    records: the truth about each clip, as in ClipSet. Raises ValueError where there are no twins.
    """
    first: dict[tuple[Any, ...], int] = {}
    pairs = []
    for index, record in enumerate(records):
        key = tuple(value for name, value in record.items() if name not in TURNED)
        if key in first:
            pairs.append((first.pop(key), index))
        else:
            first[key] = index
    if not pairs:
        raise ValueError("there are no twins among these clips")
    return np.array(pairs, np.int64)


def draw_pairs(pairs: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """About `size` clips, at least two: first the one of each pair, then in the same order the other. int64 (2 n,)"""
    chosen = pairs[rng.integers(len(pairs), size=max(size // 2, 1))]
    return chosen.T.reshape(-1)
