"""Loads the folder of a Stable Diffusion x4 upscaler."""

from __future__ import annotations

from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.sd.drawing import SCALE, LoadedSd


def load_sd(spec: ModelSpec, device: Any) -> LoadedSd:
    """Its parts in float32 on a CPU, in the accelerator's half precision there. Raises ModelNotFound."""
    from diffscaler import compat

    compat.install()  # before the first import of transformers or diffusers
    from diffusers import StableDiffusionUpscalePipeline

    where = torch.device(device.torch_name)
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    try:
        pipeline = StableDiffusionUpscalePipeline.from_pretrained(
            spec.path, torch_dtype=dtype, use_safetensors=True, local_files_only=True, safety_checker=None,
            watermarker=None, feature_extractor=None,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelNotFound(
            f"The upscaler {spec.name} cannot be loaded.",
            "Its folder needs every part that its model_index.json names, as safetensors.",
        ) from error
    if pipeline.vae_scale_factor != SCALE:
        raise ModelNotFound(f"The upscaler {spec.name} does not enlarge by {SCALE}.", "Stable Diffusion x4 does.")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(where)
    if pipeline.vae.config.force_upcast:
        pipeline.vae.float()  # it overflows in float16
    return LoadedSd(pipeline, where, dtype)
