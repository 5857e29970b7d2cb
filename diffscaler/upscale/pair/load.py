"""Loads the networks of the pair from safetensors files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.pair.network import PairConfig, PairUNet
from diffscaler.upscale.pair.tiles import LoadedPair


def read_pair(path: Path) -> PairUNet:
    """A network with its weights in float32. Raises what safetensors, json and torch raise where it is none."""
    from safetensors import safe_open

    with safe_open(str(path), "pt") as file:
        config = PairConfig.loads((file.metadata() or {})["config"])
        state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a dict
    network = PairUNet(config)
    network.load_state_dict(state)
    return network


def load_pair(spec: ModelSpec, device: Any) -> LoadedPair:
    """A network of the pair, in float32 on a CPU, in the accelerator's half precision there. Raises ModelNotFound."""
    from safetensors import SafetensorError

    assert spec.path is not None
    try:
        network = read_pair(spec.path)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelNotFound(f"The upscaler {spec.name} cannot be loaded.", "Its file is missing or damaged.") from error
    where = torch.device(device.torch_name)
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    return LoadedPair(network.eval().requires_grad_(False).to(where, dtype), where, dtype)
