"""Loads a folder and wraps it in its family. The built-in model takes this very path."""

from __future__ import annotations

from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.models.traits import identify
from diffscaler.text2video.family import Family


def load_pipeline(spec: ModelSpec, device: Any) -> Family:
    """Load `spec.path` on `device` (models.device.Device) by the family its catalogue entry names.

    Raises ModelNotFound when the folder is not one of a family this studio runs.
    """
    from importlib import import_module

    from diffscaler import compat

    if spec.path is None:
        raise ModelNotFound(f"{spec.title} has no folder.", "Add the model again.")
    family = spec.family or identify(spec.path)
    compat.install()  # before the first import of transformers or diffusers
    module, _, name = family.loader.partition(":")
    return getattr(import_module(module), name).load(spec.path, device)
