"""Who is in a clip, as plain data. Light: numpy only, the page reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.media import TensorChunk

#: Fields of a Person by the type they are stored as.
STORED = {
    "track": np.int32, "person": np.int32, "start": np.int32, "stop": np.int32, "best_frame": np.int32,
    "best_box": np.float32, "confidence": np.float32,
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody the page can offer: `track` is what Role.tracks takes.

    person: number of who it is, the same for all tracks of one person (`identity.people_of`), counting from 0
    frames [start, stop); best_frame shows them most clearly, inside best_box (x1, y1, x2, y2, pixels)
    confidence: mean detection score, 0..1
    """

    track: int
    person: int
    start: int
    stop: int
    best_frame: int
    best_box: tuple[float, float, float, float]
    confidence: float


def rows_of(people: Sequence[Person]) -> dict[str, npt.NDArray[Any]]:
    """People as tensors, a row each: best_box float32 (P, 4), confidence float32 (P,), all others int32 (P,)."""
    columns = {name: np.array([getattr(person, name) for person in people], kind) for name, kind in STORED.items()}
    return columns | {"best_box": columns["best_box"].reshape(len(people), 4)}


def read_people(chunks: Iterable[TensorChunk]) -> list[Person]:
    """What `rows_of` stored, in its order."""
    rows = [zip(*(chunk.tensors[name].tolist() for name in STORED), strict=True) for chunk in chunks]
    return [Person(*row[:5], best_box=tuple(row[5]), confidence=row[6]) for part in rows for row in part]
