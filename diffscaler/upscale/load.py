"""Loads upscalers: the built-in network, and Real-ESRGAN-family files a person put into the models folder.

Files are read as safetensors or with weights_only: a pickle that wants to run code is refused, never executed.
"""

from __future__ import annotations

import json
from threading import Event
from typing import Any

import torch

from diffscaler.errors import JobCancelled, ModelNotFound
from diffscaler.models.convolutions import convolutions_on
from diffscaler.models.device import Device
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.network import PreviewUpscaler
from diffscaler.upscale.reach import reach_of
from diffscaler.upscale.tile import ALIGN_PX, Upscaler
from diffscaler.upscale.trunk import with_float32_trunk
from diffscaler.upscale.winograd import WinogradConv, with_winograd


def load_builtin(spec: ModelSpec, device: Device) -> Upscaler:
    """The small network this project trained; its shape is in the file's metadata. Raises ModelNotFound."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(spec.path), "pt") as file:
            config = json.loads((file.metadata() or {})["config"])
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a dict
        network = PreviewUpscaler(**config)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelNotFound(f"The upscaler {spec.name} cannot be loaded.", "Its file is missing or damaged.") from error
    return on_device(network, spec.scale, device)


def load_file(spec: ModelSpec, device: Device) -> Upscaler:
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
    multiple = max(1, found.size_requirements.multiple_of)
    return on_device(found.model, found.scale, device, multiple, found.supports_bfloat16)


def on_device(network: torch.nn.Module, scale: int, device: Device, multiple: int = 1, halves: bool = True) -> Upscaler:
    """A network made ready: how far it looks and what it holds is asked of it, then it moves to the device.

    halves: it may run in a narrower number format than float32 where the device is quicker so
    """
    network = network.float().eval().requires_grad_(False)
    reach = reach_of(network, scale, multiple)
    per_px = bytes_per_px(network, multiple)
    plan = convolutions_on(device, torch.get_num_threads())
    if plan.winograd:
        network = with_winograd(network)
    where, dtype = torch.device(device.torch_name), getattr(torch, plan.dtype) if halves else torch.float32
    if dtype != torch.float32:
        network = with_float32_trunk(network)
    brake = Event()

    def look(*_: Any) -> None:
        if brake.is_set():
            raise JobCancelled()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | WinogradConv):
            module.register_forward_pre_hook(look)
    network = network.to(where, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    given = torch.float32 if isinstance(network, PreviewUpscaler) else dtype
    limit = max(ALIGN_PX**2, plan.window_bytes // per_px)
    return Upscaler(network, scale, reach, where, given, multiple, limit, plan.workers, brake)


@torch.inference_mode()
def bytes_per_px(network: torch.nn.Module, multiple: int) -> int:
    """Bytes per input pixel that go into and come out of the network's largest layer, in float32."""
    side = -(-32 // multiple) * multiple
    most = [3 * 4]

    def weigh(_: Any, given: Any, made: Any) -> None:
        told = [t for t in (*given, made) if isinstance(t, torch.Tensor)]
        most.append(sum(t.numel() for t in told) * 4 // side**2)

    hooks = [module.register_forward_hook(weigh) for module in network.modules() if not list(module.children())]
    try:
        network(torch.zeros(1, 3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return max(most)
