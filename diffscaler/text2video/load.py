"""Loads a diffusers folder and wraps it in its family. The built-in model takes this very path."""

from __future__ import annotations

import json
from typing import Any

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Family

# Pipeline class named in model_index.json -> the family that runs it.
FAMILIES = {"AnimateDiffPipeline": "diffscaler.text2video.animatediff:AnimateDiff"}


def load_pipeline(spec: ModelSpec, device: Any) -> Family:
    """Load `spec.path` on `device` (models.device.Device).

    Raises ModelNotFound when the folder is not a diffusers folder of a family this studio runs.
    """
    from importlib import import_module

    from diffscaler import compat

    if spec.path is None:
        raise ModelNotFound(f"{spec.title} has no folder.", "Add the model again.")
    try:
        index = json.loads((spec.path / "model_index.json").read_text(encoding="utf-8"))
        class_name = str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(f"{spec.title} is not a diffusers folder.", "It needs a model_index.json.") from error
    if class_name not in FAMILIES:
        raise ModelNotFound(
            f"{spec.title} is a {class_name}, which is not supported yet.", f"Supported: {', '.join(FAMILIES)}."
        )
    compat.install()  # before the first import of transformers or diffusers
    module, _, name = FAMILIES[class_name].partition(":")
    return getattr(import_module(module), name).load(spec.path, device)
