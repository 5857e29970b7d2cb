"""What weights files hold, read from the heads of safetensors files: nothing is loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

#: A head longer than this is no safetensors file's.
MAX_HEAD_BYTES = 100 * 2**20


class Held(NamedTuple):
    """One tensor of a file: its shape, and the bytes it takes there."""

    shape: tuple[int, ...]
    size_bytes: int

    @property
    def count(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


def weight_counts(folder: Path) -> dict[str, int]:
    """Part (the subfolder's name, "" for the folder itself) -> number of weights.

    Of a part that lies there twice, in two number formats, one is counted. A damaged file counts as nothing: it is
    named when the model is loaded.
    """
    counts: dict[str, int] = {}
    for file in sorted(folder.rglob("*.safetensors")):
        place = file.parent.relative_to(folder)
        names = {path.name for path in file.parent.glob("*.safetensors")}
        # model.fp16.safetensors beside model.safetensors is the same model again.
        if ".fp16." in file.name and file.name.replace(".fp16.", ".") in names:
            continue
        part = place.parts[0] if place.parts else ""
        counts[part] = counts.get(part, 0) + count_in(file)
    return counts


def count_in(file: Path) -> int:
    """Number of weights in one safetensors file; 0 for a damaged one."""
    return sum(tensor.count for tensor in tensors_in(file).values())


def tensors_in(file: Path) -> dict[str, Held]:
    """Every tensor of a safetensors file by its name; none for a damaged one."""
    try:
        with file.open("rb") as data:
            length = int.from_bytes(data.read(8), "little")
            if not 2 <= length <= MAX_HEAD_BYTES:
                return {}
            head = json.loads(data.read(length))
        found = {}
        for name, row in head.items():
            if name != "__metadata__":
                start, stop = row["data_offsets"]
                found[name] = Held(tuple(int(side) for side in row["shape"]), int(stop) - int(start))
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
