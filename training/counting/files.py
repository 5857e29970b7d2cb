"""What a model's folder holds, by the heads of its files: nothing is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diffscaler.models.sizes import Held, tensors_in
from training.events import RunError


def tensors_of(folder: Path) -> dict[str, Held]:
    """Every tensor of a folder's safetensors files, shards or one; broken files are passed over."""
    return {name: held for path in sorted(folder.glob("*.safetensors")) for name, held in tensors_in(path).items()}


def numbers_in(*folders: Path) -> int:
    """How many numbers the safetensors files of some folders hold."""
    return numbers(held for folder in folders for held in tensors_of(folder).values())


def numbers(tensors: Iterable[Held]) -> int:
    return sum(held.count for held in tensors)


def folder_of(name: str) -> Path:
    """Of an installed model, by name or folder. Raises RunError."""
    from training.finetune.source import find_model  # reads the catalogue

    folder = find_model(name).path
    assert folder is not None
    return folder


def bytes_of(folder: Path, but: tuple[str, ...] = ()) -> int:
    """Bytes on disk of what a model takes over of another's folder: its parts, except some, and its JSON files."""
    parts = (path for path in folder.iterdir() if path.is_dir() and path.name not in but and path.name[0] != ".")
    files = [file for part in parts for file in part.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in [*files, *folder.glob("*.json")])


def config_of(part: Path) -> dict[str, Any]:
    """config.json of a part of a model. Raises RunError."""
    try:
        found = json.loads((part / "config.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        pass
    raise RunError(f"{part.parent.name} is not a whole model: its {part.name} is missing.", "Choose another folder.")


def pixels_of_a_latent(vae: Path, levels: int) -> int:
    """Pixels that a latent of a model's VAE stands for, each way; levels: where its configuration does not say.
    Raises RunError."""
    widths = config_of(vae).get("block_out_channels", [0] * levels)
    if not isinstance(widths, list) or not widths:
        raise RunError(
            f"The VAE of {vae.parent.name} has no levels: its block_out_channels are {str(widths)[:60]}.",
            "Choose another folder.",
        )
    return 2 ** (len(widths) - 1)
