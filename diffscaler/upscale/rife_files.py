"""RIFE files a person adds, and what they draw: pictures between two frames."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.rife import LAYOUTS, Rife, layout_of

Picture = npt.NDArray[np.uint8]

#: Before the names of weights in files of a network that was trained on several cards.
PREFIX = "module."


@dataclass(frozen=True)
class LoadedRife:
    """A network on its device."""

    network: Rife
    device: Any
    dtype: Any

    @torch.inference_mode()
    def between(self, a: Picture, b: Picture, moments: Sequence[float]) -> Iterator[Picture]:
        """The pictures at `moments` between two frames, uint8 RGB (H, W, 3) of any size, as flow.between has it."""
        if np.array_equal(a, b):
            for _ in moments:
                yield a
            return
        height, width = a.shape[:2]
        given = [self._put(frame) for frame in (a, b)]
        for moment in moments:
            made = self.network(*given, moment)[0, :, :height, :width]
            yield (made.float() * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()

    def _put(self, frame: Picture) -> Tensor:
        """(1, 3, H, W) in 0..1, sides made up to the network's multiple."""
        multiple = self.network.layout.multiple
        picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float() / 255
        by = (0, -frame.shape[1] % multiple, 0, -frame.shape[0] % multiple)
        return F.pad(picture, by, mode="replicate").to(self.device, self.dtype)


def load_rife(spec: ModelSpec, device: Any) -> LoadedRife:
    """A RIFE file, in float32 on a CPU, in the accelerator's half precision there. Raises ModelNotFound."""
    assert spec.path is not None
    network = rife_from(weights_of(spec.path), spec.path.name)
    where = torch.device(device.torch_name)
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    return LoadedRife(network.eval().requires_grad_(False).to(where, dtype), where, dtype)


def rife_from(state: dict[str, Tensor], name: str) -> Rife:
    """The network of a file's weights. Raises ModelNotFound."""
    own = {key.removeprefix(PREFIX): value.float() for key, value in state.items()}
    layout = layout_of(own)
    if layout is None:
        known = ", ".join(each.versions for each in LAYOUTS)
        raise ModelNotFound(
            f"{name} is no RIFE network that runs here.", f"Versions {known} do; use flownet.pkl of one."
        )
    network = Rife(layout)
    network.load_state_dict({name: own[name] for name in network.state_dict()})
    return network


def weights_of(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pkl or .pth file; code in it is refused, never run. Raises ModelNotFound."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise ModelNotFound(f"{path.name} cannot be read as weights alone.", "It is damaged, or holds code.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelNotFound(f"{path.name} is no file of weights.", "Use flownet.pkl of a RIFE version.")
    return state
