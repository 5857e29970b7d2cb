"""Writes an installed model's network under the names another program reads."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffscaler.errors import DiffScalerError, InvalidRequest, NotEnoughRoom
from diffscaler.library.files import remove_tree, room_for
from diffscaler.models.spec import ModelSpec
from diffscaler.models.weights import free_bytes
from diffscaler.wording import bytes_in_words


def export(spec: ModelSpec, folder: Path, as_format: str, reserve_bytes: int = 0) -> Path:
    """Write a model's network to a new folder, whole or not at all, and return where it is.

    as_format: a key of FORMATS; reserve_bytes: free disk that must be left
    The tensors keep the number format of their files. Raises InvalidRequest when the model has no such form or the
    folder is there, ModelNotFound when its files are damaged, NotEnoughRoom.
    """
    write = FORMATS[as_format]
    target = folder.expanduser().absolute()
    if target.exists() or target.is_symlink():
        raise InvalidRequest(f"{target.name} is there already, and nothing is written over.", "Name a new folder.")
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with room_for(target.name):
            write(spec, part, reserve_bytes)
        part.rename(target)
    except OSError as error:
        # Also when the folder has come into being meanwhile, with something in it.
        raise DiffScalerError(f"{target} cannot be written: {error.strerror}.", "Name another folder.") from error
    finally:
        remove_tree(part)
    return target


def as_hotshot(spec: ModelSpec, folder: Path, reserve_bytes: int) -> None:
    """`unet/` as Hotshot-XL has it, and its temporal layers in a file of their own, for ComfyUI's AnimateDiff nodes."""
    if spec.family is None or spec.family.name != "sdxl_motion" or spec.path is None:
        kind = spec.family.title if spec.family else spec.kind
        raise InvalidRequest(
            f"{spec.title} cannot be written as Hotshot-XL: it is of another family ({kind}).",
            "Choose a model that is SDXL with temporal layers: Hotshot-XL, AnimateDiff-SDXL, or one trained from them.",
        )
    from diffscaler import compat

    compat.install()
    from diffscaler.text2video.hotshot.keys import is_temporal
    from diffscaler.text2video.hotshot.unet import export_hotshot

    unet = motion_unet(spec.path)
    # Temporal tensors are written twice, as Hotshot-XL publishes them.
    needed = sum(tensor.nbytes * (1 + is_temporal(name)) for name, tensor in unet.state_dict().items())
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (free := free_bytes(folder.parent) - reserve_bytes) < needed:
        raise NotEnoughRoom(
            f"{spec.title} needs {bytes_in_words(needed)} of disk; {bytes_in_words(max(0, free))} are free.",
            "Make room, or name a folder on a larger disk.",
        )
    export_hotshot(unet, folder)


def motion_unet(path: Path) -> Any:
    """The U-Net alone of a folder of the SDXL motion family, on the CPU, in the number format of its file.

    Raises ModelNotFound when it is missing, damaged, or its temporal layers are elsewhere and not there.
    """
    from diffusers.models.unets.unet_motion_model import UNetMotionModel

    from diffscaler.text2video.folder import said_what_is_wrong
    from diffscaler.text2video.hotshot.unet import load_adapted, load_hotshot
    from diffscaler.text2video.sdxl_motion import temporal_layers, unet_class

    kind = unet_class(path)
    if kind == "UNet3DConditionModel":
        return load_hotshot(path / "unet")
    if kind == "UNet2DConditionModel":
        return load_adapted(path / "unet", temporal_layers(path))
    with said_what_is_wrong(path):
        return UNetMotionModel.from_pretrained(
            path / "unet", local_files_only=True, use_safetensors=True, dtype="auto", low_cpu_mem_usage=True
        )


#: Name on the command line -> who writes it: (model, new folder, bytes of disk to leave).
FORMATS: dict[str, Callable[[ModelSpec, Path, int], None]] = {"hotshot": as_hotshot}
