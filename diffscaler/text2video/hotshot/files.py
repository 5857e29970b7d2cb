"""Reads weights from a disk without letting them run code: tensors, the few words stored with them, their config."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch

from diffscaler.errors import ModelNotFound

WEIGHTS = "diffusion_pytorch_model"


class Stored(NamedTuple):
    """state: name -> tensor, on the CPU, mapped from the file where that is possible; metadata: what a safetensors file
    says beside them; config: a folder's config.json, {} for a single file."""

    state: dict[str, torch.Tensor]
    metadata: dict[str, str]
    config: dict[str, Any]


def read_weights(path: Path) -> Stored:
    """A weight file, or a diffusers folder of one model: config.json and diffusion_pytorch_model, whole or in shards.

    A pickle is read for its tensors alone. Raises ModelNotFound when that is not what is there.
    """
    if not path.is_dir():
        return Stored(*_read_file(path), {})
    try:
        config: Any = json.loads((path / "config.json").read_text("utf-8"))
        files = _weight_files(path)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelNotFound(
            f"{name_of(path)} is not the folder of a diffusers model.", "It needs a config.json."
        ) from error
    if not isinstance(config, dict) or not files:
        raise ModelNotFound(f"{name_of(path)} has no weights.", f"It needs a {WEIGHTS}.safetensors.")
    state: dict[str, torch.Tensor] = {}
    metadata: dict[str, str] = {}
    for file in files:
        tensors, said = _read_file(file)
        state |= tensors
        metadata |= said
    return Stored(state, metadata, config)


def name_of(path: Path) -> str:
    """What to call a file or folder in a sentence: `unet` alone would not say whose."""
    return f"{path.parent.name}/{path.name}"


def _weight_files(folder: Path) -> list[Path]:
    """The files that make up a folder's weights: safetensors before a pickle; [] when there are none."""
    for name in (f"{WEIGHTS}.safetensors", f"{WEIGHTS}.fp16.safetensors"):
        if (folder / name).exists():
            return [folder / name]
    index = folder / f"{WEIGHTS}.safetensors.index.json"
    if index.exists():
        # The last part of the name only: a shard lies beside its index, whatever the index says.
        names = {Path(str(name)).name for name in json.loads(index.read_text("utf-8"))["weight_map"].values()}
        return [folder / name for name in sorted(names)]
    pickled = folder / f"{WEIGHTS}.bin"
    return [pickled] if pickled.exists() else []


def _read_file(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A file's tensors and metadata. Raises ModelNotFound."""
    from safetensors import SafetensorError, safe_open

    damaged = ModelNotFound(f"{name_of(path)} cannot be read: it is missing or damaged.", "Add it again.")
    if path.suffix == ".safetensors":
        try:
            with safe_open(str(path), "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise damaged from error
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelNotFound(
            f"{name_of(path)} was refused: it holds code, or something else that is not weights.",
            "Get it from its author as safetensors.",
        ) from error
    except Exception as error:  # torch's, zipfile's and pickle's errors for files they cannot read
        raise damaged from error
    state = _flat(state) if isinstance(state, dict) else None
    if state is None or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelNotFound(f"{name_of(path)} holds something else than tensors.", "Get it as safetensors.")
    return state, {}


def _flat(state: dict[Any, Any]) -> dict[str, Any]:
    """Tensors in dictionaries in a dictionary, as IP-Adapters are pickled, by the names safetensors have for them."""
    found: dict[str, Any] = {}
    for key, value in state.items():
        inner = {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {str(key): value}
        found |= inner
    return found
