"""Folders of diffusion upscalers, as diffusers saves them."""

from __future__ import annotations

import json
from pathlib import Path

from diffscaler.models.spec import ModelSpec

#: Pipelines that run here.
PIPELINES = ("StableDiffusionUpscalePipeline",)

#: The library's and the model card's usual values; guidance as the card has it.
NATIVE = {"num_inference_steps": 20, "guidance_scale": 7.0, "noise_level": 20}

#: What a tile takes beside the weights: attention over 128 x 128 cells, twice for guidance, in float32.
TILE_BYTES = 3 * 2**30


def is_upscaler_folder(path: Path) -> bool:
    """Whether a folder's model_index.json names an upscaler."""
    try:
        row = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        return isinstance(row, dict) and row.get("_class_name") in PIPELINES
    except (OSError, ValueError):
        return False


def upscaler_folder(path: Path, name: str) -> ModelSpec:
    """An upscaler folder: <name>/ in the models folder, or where it lies."""
    weights = sum(file.stat().st_size for file in path.rglob("*.safetensors"))
    return ModelSpec(
        name=name,
        title=path.name,
        kind="upscaler",
        path=path,
        loader="diffscaler.upscale.sd.load:load_sd",
        licence="yours",
        working_bytes=2 * weights + TILE_BYTES,  # half precision on disk may be float32 here
        scale=4,
        native=NATIVE,
    )
