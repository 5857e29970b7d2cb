"""What the tests of Unet3D have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diffscaler.errors import ModelNotFound
from diffscaler.models.device import pick_device
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.unet3d.family import Unet3DFamily, load_unet3d

SAMPLING = Sampling(width=16, height=16, num_frames=3, num_inference_steps=4, guidance_scale=2.0, seed=7)


def ignore(*step: Any) -> None:
    pass


def spec_of(path: Path | None) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        title="Tiny",
        kind="text2video",
        path=path,
        loader="diffscaler.text2video.unet3d.family:load_unet3d",
    )


def load(path: Path) -> Unet3DFamily:
    return load_unet3d(spec_of(path), pick_device("cpu"))


def refusal(path: Path) -> str:
    """The one sentence with which a folder or file is refused, which never comes without a hint."""
    return said_by(lambda: load(path))


def said_by(action: Callable[[], Any]) -> str:
    with pytest.raises(ModelNotFound) as caught:
        action()
    message, hint = caught.value.message, caught.value.hint
    assert message.endswith(".") and ". " not in message and "\n" not in message and len(message) < 250
    assert hint.endswith(".") and "\n" not in hint
    return message


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
