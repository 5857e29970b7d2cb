"""Opens an annotator's folder, or says in one sentence what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.models.annotators import DOES, WEIGHTS, annotator_of
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.folder import said_what_is_wrong
from diffscaler.text2video.hotshot.files import read_weights

#: DPT's first fusion has nothing to add to what it is given; published checkpoints leave out what would weigh it.
UNUSED = "fusion_stage.layers.0.residual_layer1."


def open_annotator(spec: ModelSpec, device: Any) -> tuple[Any, Any]:
    """(network, image processor) of the folder of `spec`, a models.annotators kind, on `device` (models.device.Device).

    The network computes in float32: it is small, and what it sees is then the same on every device but for rounding.
    Raises ModelNotFound for a folder of another kind, one that lacks weights, or a pickle that is more than tensors.
    """
    from diffscaler import compat

    compat.install()  # before the first import of transformers
    import transformers

    assert spec.path is not None
    found = annotator_of(spec.path)
    if found is None or found.kind != spec.kind:
        raise ModelNotFound(f"{spec.title} is no network that {DOES[spec.kind]}.", "Add it again, or another one.")
    network, processor = (getattr(transformers, name) for name in (found.network, found.processor))
    with said_what_is_wrong(spec.path):
        try:
            seen = processor.from_pretrained(str(spec.path), local_files_only=True)
            model, told = network.from_pretrained(
                **weights_of(spec.path, network), local_files_only=True, dtype=torch.float32, output_loading_info=True,
                ignore_mismatched_sizes=True,
            )  # fmt: skip
        except ImportError as error:  # a backbone of a library that is not installed
            raise ValueError(str(error).strip()) from error
        # The library would go on with random numbers in their place.
        if missing := sorted(name for name in told["missing_keys"] if UNUSED not in name):
            raise ValueError(f"it lacks {len(missing)} of its weights, {missing[0]} first.")
        if told["mismatched_keys"]:
            raise ValueError(f"{min(told['mismatched_keys'])[0]} has another shape than its config.json says.")
        return model.to(device.torch_name).eval().requires_grad_(False), seen


def weights_of(path: Path, network: Any) -> dict[str, Any]:
    """Arguments of `from_pretrained`: the folder, or what a pickle in it holds of tensors."""
    if any((path / name).is_file() for name in WEIGHTS[:-1]):
        return {"pretrained_model_name_or_path": str(path), "use_safetensors": True}
    config = network.config_class.from_pretrained(str(path), local_files_only=True)
    state = read_weights(path / WEIGHTS[-1]).state
    return {"pretrained_model_name_or_path": None, "config": config, "state_dict": state}
