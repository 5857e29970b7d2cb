"""What a checkpoint holds of a run: tensors as safetensors, the optimizer's state and the states of random numbers as
torch writes them (read with weights_only), the rest as JSON."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.checkpoints import NotSaved

WEIGHTS, BUFFERS, AVERAGE = "weights.safetensors", "buffers.safetensors", "average.safetensors"
OPTIMIZER, STATE = "optimizer.pt", "state.json"
#: What is known of the clips, and the tensors among it.
KNOWN, KNOWN_TENSORS = "known.json", "known.safetensors"

Parameters = Sequence[tuple[str, nn.Parameter]]


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Around writes to a checkpoint's folder: a disk that does not take them becomes NotSaved, in words."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors does not say in a way a program can read that a disk is full.
        full = shutil.disk_usage(folder.parent).free < 2**20 or "No space left" in str(error)
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0][:160]
        shutil.rmtree(folder, ignore_errors=True)
        raise NotSaved("the disk is full" if full else reason) from error


class _Noting:
    """A file that remembers why it could not be written: torch makes RuntimeErrors of that, as of its own mistakes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.problem = error
            raise

    def flush(self) -> None:
        try:
            self.file.flush()
        except OSError as error:
            self.problem = error
            raise


def write_torch(content: Any, path: Path) -> None:
    """`torch.save`, but a disk that does not take it is an OSError."""
    with path.open("wb") as file:
        noting = _Noting(file)
        try:
            torch.save(content, noting)  # type: ignore[arg-type]
        except RuntimeError as error:
            if noting.problem is None:
                raise
            raise noting.problem from error


def write_tensors(parameters: Parameters, modules: dict[str, nn.Module], folder: Path) -> None:
    """The trained tensors by their names, and every buffer of the modules that is part of their state."""
    save_file({name: plain(p) for name, p in parameters}, folder / WEIGHTS)
    if buffers := buffers_of(modules):
        save_file({name: plain(buffer) for name, buffer in buffers.items()}, folder / BUFFERS)


@torch.no_grad()
def read_tensors(parameters: Parameters, modules: dict[str, nn.Module], folder: Path) -> None:
    """Put what `write_tensors` wrote back in place. Raises ValueError when the names or shapes are others."""
    copy_into(dict(parameters), load_file(folder / WEIGHTS))
    if buffers := buffers_of(modules):
        copy_into(buffers, load_file(folder / BUFFERS))


def copy_into(own: dict[str, Any], saved: dict[str, Tensor]) -> None:
    """Copy tensors over those of the same names. Raises ValueError when the two do not match."""
    if set(own) != set(saved) or any(own[name].shape != tensor.shape for name, tensor in saved.items()):
        odd = sorted(set(own) ^ set(saved)) or [name for name in own if own[name].shape != saved[name].shape]
        raise ValueError(f"{odd[0]} differs from the checkpoint")
    for name, tensor in saved.items():
        own[name].data.copy_(tensor)


def buffers_of(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    """By "module.buffer" name, without those that are made anew from the configuration."""
    found = {}
    for prefix, module in modules.items():
        persistent = module.state_dict(keep_vars=True)
        found |= {f"{prefix}.{name}": b for name, b in module.named_buffers() if name in persistent}
    return found


def plain(tensor: Tensor) -> Tensor:
    """The tensor on the CPU in plain memory layout: safetensors cannot store channels_last."""
    return tensor.detach().cpu().contiguous()


def random_state() -> dict[str, Any]:
    """Of this process: torch's generators on CPU and card, numpy's and Python's."""
    keys = np.random.get_state()
    version, internal, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.asarray(keys[1]).astype(np.int64)), *(int(part) for part in keys[2:4])],
        "numpy_gauss": float(keys[4]),
        "python": [version, list(internal), gauss],
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Take over what `random_state` returned."""
    torch.set_rng_state(state["torch"])
    keys, position, has_gauss = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, state["numpy_gauss"]))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])


@contextmanager
def random_kept() -> Iterator[None]:
    """Inside, random numbers of every kind may be used up; those that follow are the ones that would have come."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def write_random(folder: Path, process: int) -> None:
    """The state of the random numbers of one process."""
    write_torch(random_state(), folder / f"random-{process}.pt")


def read_random(folder: Path, process: int) -> bool:
    """Take over the state of the random numbers of one process; False when there were fewer processes."""
    path = folder / f"random-{process}.pt"
    if not path.is_file():
        return False
    set_random_state(torch.load(path, weights_only=True))
    return True


def write_known(folder: Path, known: dict[str, Any]) -> None:
    """What `Task.known` returned."""
    tensors = {name: plain(value) for name, value in known.items() if isinstance(value, Tensor)}
    if tensors:
        save_file(tensors, folder / KNOWN_TENSORS)
    rest = {name: value for name, value in known.items() if name not in tensors}
    (folder / KNOWN).write_text(json.dumps(rest), encoding="utf-8")


def read_known(folder: Path) -> dict[str, Any]:
    """What `write_known` wrote; {} of a checkpoint from before it was written."""
    if not (folder / KNOWN).is_file():
        return {}
    tensors = load_file(folder / KNOWN_TENSORS) if (folder / KNOWN_TENSORS).is_file() else {}
    return json.loads((folder / KNOWN).read_text(encoding="utf-8")) | tensors


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """JSON: step, position in the data, configuration, ..."""
    (folder / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")


def read_state(folder: Path) -> dict[str, Any]:
    """What `write_state` wrote."""
    return json.loads((folder / STATE).read_text(encoding="utf-8"))
