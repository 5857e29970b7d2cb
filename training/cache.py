"""Tensors by what they were made of: runs that encode the same clip with the same network share the result."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Tensors = dict[str, Tensor]

#: Of what a full disk does not take, this much is kept in memory: the captions of some thousand clips.
MEMORY_BYTES = 2**30


def _on_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _drop(path: Path) -> None:
    with suppress(OSError):  # of a disk that can only be read
        path.unlink()


class TensorCache:
    """A folder of safetensors files, named by digests of their making. folder: None keeps nothing.

    warn: told, once, that the disk takes no more; memory_bytes: the most that is then kept in memory in its place
    keeps_all: whether whatever was made so far will be found again, on the disk or in memory
    """

    def __init__(
        self,
        folder: Path | None,
        warn: Callable[[str], None] = _on_stderr,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.folder, self.warn, self.room = folder, warn, memory_bytes
        self.made, self.found = 0, 0
        self.keeps_all = folder is not None
        self.warned = False
        self.held: dict[Path, Tensors] = {}

    def get(self, made_of: Any, make: Callable[[], Tensors]) -> Tensors:
        """What `make` returns, on the CPU; made once for each `made_of` (anything JSON can write), as long as the disk
        or the memory has room for it.

        A damaged file is made again. A full disk costs the cache, not the run.
        """
        path = self.path(made_of)
        if path in self.held:
            self.found += 1
            return self.held[path]
        if path is not None and path.is_file():
            try:
                tensors = load_file(path)
                self.found += 1
                return tensors
            except (OSError, SafetensorError):
                _drop(path)
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

    def _put(self, path: Path, tensors: Tensors) -> None:
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part)
            os.replace(part, path)
        except (OSError, SafetensorError) as error:
            _drop(part)
            self._hold(path, tensors, getattr(error, "strerror", None) or str(error).splitlines()[0])

    def _hold(self, path: Path, tensors: Tensors, why: str) -> None:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if size <= self.room:
            self.room -= size
            self.held[path] = tensors
        else:
            self.keeps_all = False
        if not self.warned:
            self.warned = True
            self.warn(
                f"The cache of encoded clips cannot be written ({why}): what it lacks is kept in memory as far as that "
                "goes, and else encoded anew every step, which is slower."
            )


def digest_of(*modules: nn.Module) -> str:
    """SHA-256 (16 hex characters) of the weights of networks and how they are laid out."""
    return digest_of_tensors(row for module in modules for row in sorted(module.state_dict().items()))


def digest_of_tensors(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 (16 hex characters) of tensors, their names and how they are laid out."""
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
