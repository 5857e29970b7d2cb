"""Loads upscalers: the built-in network, and Real-ESRGAN-family files a person put into the models folder.

Files are read as safetensors or with weights_only: a pickle that wants to run code is refused, never executed.
"""

from __future__ import annotations

import json
from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.tile import Upscaler

# Real-ESRGAN's own scripts pad tiles by this much; wider receptive fields fade before it shows at 8 bits.
OVERLAP_PX = 16


def load_builtin(spec: ModelSpec, device: Any) -> Upscaler:
    """The small network this project trained; its shape is in the file's metadata. Raises ModelNotFound."""
    from safetensors import SafetensorError, safe_open

    from diffscaler.upscale.network import PreviewUpscaler

    try:
        with safe_open(str(spec.path), "pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a dict
        network = PreviewUpscaler(**config)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelNotFound(f"The upscaler {spec.name} cannot be loaded.", "Its file is missing or damaged.") from error
    return on_device(network, spec.scale, device)


def load_file(spec: ModelSpec, device: Any) -> Upscaler:
    """A user's file (.pth or .safetensors): RRDBNet, SRVGGNetCompact and what else spandrel knows by its keys.

    Raises ModelNotFound when it is no upscaler, is damaged, or is a pickle that asks for more than tensors.
    """
    from diffscaler import compat

    compat.install()
    import pickle

    from spandrel import ImageModelDescriptor, ModelLoader

    try:
        found = ModelLoader(device="cpu").load_from_file(str(spec.path))
    except Exception as error:  # spandrel raises its own, torch's and zipfile's errors for files it cannot read
        if isinstance(error, pickle.UnpicklingError) and "forbidden" in str(error):
            raise ModelNotFound(
                f"{spec.title} was refused: the file holds code, not only weights.",
                "Get it from its author as safetensors.",
            ) from error
        raise ModelNotFound(
            f"{spec.title} is not an upscaler this studio can read.", "RRDBNet, SRVGGNetCompact and their kin work."
        ) from error
    if not isinstance(found, ImageModelDescriptor) or found.input_channels != 3 or found.output_channels != 3:
        raise ModelNotFound(f"{spec.title} is not a colour upscaler.", "RRDBNet, SRVGGNetCompact and their kin work.")
    return on_device(found.model, found.scale, device, multiple=max(1, found.size_requirements.multiple_of))


def on_device(network: torch.nn.Module, scale: int, device: Any, multiple: int = 1) -> Upscaler:
    """float32 on a CPU, where output must not depend on the CPU's generation; half precision on an accelerator."""
    where = torch.device(device.torch_name)
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    return Upscaler(network.eval().requires_grad_(False).to(where, dtype), scale, OVERLAP_PX, where, dtype, multiple)
