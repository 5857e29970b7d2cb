"""Folders of diffusion upscalers, as diffusers saves them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from diffscaler.models.spec import ModelSpec


@dataclass(frozen=True)
class Kind:
    """scale: what the network enlarges by; native: the library's and the model cards' usual values."""

    loader: str
    scale: int
    native: dict[str, float]


#: By the class in model_index.json.
KINDS = {
    "StableDiffusionUpscalePipeline": Kind(
        "diffscaler.upscale.sd.load:load_sd", 4, {"num_inference_steps": 20, "guidance_scale": 7.0, "noise_level": 20}
    ),
    # It is told what is to be seen by the frame itself; its card asks for no guidance.
    "StableDiffusionLatentUpscalePipeline": Kind(
        "diffscaler.upscale.sd.load:load_latent",
        2,
        {"num_inference_steps": 20, "guidance_scale": 1.0, "noise_level": 0, "own_scale": 2, "tile": 256},
    ),
}

#: What a tile takes beside the weights: attention over 128 x 128 cells, twice for guidance, in float32.
TILE_BYTES = 3 * 2**30


def kind_of(path: Path) -> Kind | None:
    """What upscaler a folder's model_index.json names, None: none."""
    try:
        row = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return KINDS.get(str(row.get("_class_name"))) if isinstance(row, dict) else None


def is_upscaler_folder(path: Path) -> bool:
    return kind_of(path) is not None


def upscaler_folder(path: Path, name: str) -> ModelSpec:
    """An upscaler folder: <name>/ in the models folder, or where it lies."""
    kind = kind_of(path) or KINDS["StableDiffusionUpscalePipeline"]
    weights = sum(file.stat().st_size for file in path.rglob("*.safetensors"))
    return ModelSpec(
        name=name,
        title=path.name,
        kind="upscaler",
        path=path,
        loader=kind.loader,
        licence="yours",
        working_bytes=2 * weights + TILE_BYTES,  # half precision on disk may be float32 here
        scale=kind.scale,
        native=kind.native,
    )
