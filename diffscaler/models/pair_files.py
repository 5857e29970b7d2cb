"""Networks of the diffusion pair that were trained here: <name>/model/ssr.safetensors or tsr.safetensors in the models
folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffscaler.models.spec import ModelSpec

#: Steps and overlap of the built-in network (presets/models/diffscaler.toml).
NUM_STEPS, OVERLAP = 1, 2
#: A header is JSON of a few kilobytes; more is none of ours.
LARGEST_HEADER = 2**20


def pair_file(path: Path, name: str) -> ModelSpec | None:
    """What the header of a file says about it, None when it is no network of the pair."""
    try:
        config: dict[str, Any] = json.loads(metadata(path)["config"])
        window, scale = int(config["window"]), int(config["patch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if path.stem == "tsr":
        return ModelSpec(
            name=name,
            title=name,
            kind="interpolator",
            path=path,
            loader="diffscaler.upscale.pair.load:load_pair",
            licence="yours",
            working_bytes=600_000_000,
            native={"pairs": max(1, (window - 1) // 2), "num_inference_steps": NUM_STEPS},
        )
    return ModelSpec(
        name=name,
        title=name,
        kind="upscaler",
        path=path,
        loader="diffscaler.upscale.pair.load:load_pair",
        licence="yours",
        working_bytes=600_000_000,
        scale=scale,
        native={"window": window, "overlap": min(OVERLAP, window // 2), "num_inference_steps": NUM_STEPS},
    )


def metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says about itself: 8 bytes of length, then JSON. Raises OSError, ValueError, KeyError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError("no header of ours")
        header: dict[str, Any] = json.loads(file.read(length))
    return header["__metadata__"]
