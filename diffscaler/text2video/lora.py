"""LoRA files: small changes to a model's weights for a look or a character, for one run. Hu et al. 2021."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffscaler.errors import InvalidRequest
from diffscaler.models.spec import ModelSpec


@dataclass(frozen=True)
class Lora:
    """One file and how strongly it works: 1 as it was trained, 0 not at all."""

    name: str
    path: Path
    scale: float = 1.0


def load_lora(spec: ModelSpec, device: Any) -> Lora:
    """What a lent LoRA is: its file. It is read into a model for each run, on top of that model's weights."""
    assert spec.path is not None
    return Lora(spec.name, spec.path)


def read_loras(text: str) -> list[tuple[str, float]]:
    """ "noir:0.7, anna" -> [("noir", 0.7), ("anna", 1.0)]. Raises InvalidRequest."""
    found: list[tuple[str, float]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)(?:\s*:\s*(-?\d*\.?\d+))?", part)
        if not match:
            raise InvalidRequest(f"{part[:60]!r} names no LoRA.", "Write name or name:strength, with commas between.")
        scale = float(match[2] or 1.0)
        if not -4 <= scale <= 4:
            raise InvalidRequest(f"A strength of {scale:g} is too much for {match[1]}.", "Stay between -4 and 4.")
        if match[1] in dict(found):
            raise InvalidRequest(f"The LoRA {match[1]} is named twice.", "Name it once.")
        found.append((match[1], scale))
    return found


@contextmanager
def adapted(pipeline: Any, loras: Sequence[Lora]) -> Generator[None, None, None]:
    """Inside, a pipeline's networks have the changes of `loras`; afterwards they are exactly what they were.

    Raises InvalidRequest when a file does not fit the model.
    """
    if not loras:
        yield
        return
    from safetensors import SafetensorError

    try:
        for index, lora in enumerate(loras):
            try:
                pipeline.load_lora_weights(
                    str(lora.path.parent), weight_name=lora.path.name, adapter_name=f"lora{index}",
                    local_files_only=True, use_safetensors=True,
                )  # fmt: skip
                taken = {name for names in pipeline.get_list_adapters().values() for name in names}
                if f"lora{index}" not in taken:
                    raise ValueError("none of its weights has a place")
            except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
                raise InvalidRequest(
                    f"The LoRA {lora.name} does not fit this model: {reason}.", "Use one made for the same base model."
                ) from error
        pipeline.set_adapters([f"lora{i}" for i in range(len(loras))], [lora.scale for lora in loras])
        yield
    finally:
        pipeline.unload_lora_weights()
