"""Tensors by what they were made of: runs that encode the same clip with the same network share the result."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Tensors = dict[str, Tensor]


class TensorCache:
    """A folder of safetensors files, named by digests of their making. folder: None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.made, self.found = folder, 0, 0

    def get(self, made_of: Any, make: Callable[[], Tensors]) -> Tensors:
        """What `make` returns, on the CPU; made once for each `made_of` (anything JSON can write).

        A damaged file is made again. A full disk costs the cache, not the run.
        """
        path = self.path(made_of)
        if path is not None and path.is_file():
            try:
                tensors = load_file(path)
                self.found += 1
                return tensors
            except (OSError, SafetensorError):
                path.unlink(missing_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
        self.made += 1
        if path is not None:
            self._put(path, tensors)
        return tensors

    def path(self, made_of: Any) -> Path | None:
        """Where the tensors of `made_of` are, or would be."""
        if self.folder is None:
            return None
        name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"

    @staticmethod
    def _put(path: Path, tensors: Tensors) -> None:
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part)
            os.replace(part, path)
        except (OSError, SafetensorError):
            part.unlink(missing_ok=True)


def digest_of(*modules: nn.Module) -> str:
    """SHA-256 (16 hex characters) of the weights of networks and how they are laid out."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
