"""Loads the folder of one of Stable Diffusion's upscalers."""

from __future__ import annotations

from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.upscale.sd import drawing, latent


def load_sd(spec: ModelSpec, device: Any) -> drawing.LoadedSd:
    """The x4 upscaler, in float32 on a CPU, in the accelerator's half precision there. Raises ModelNotFound."""
    pipeline, where, dtype = _loaded(spec, device, "StableDiffusionUpscalePipeline", low_res=True)
    if pipeline.vae_scale_factor != drawing.SCALE:
        raise ModelNotFound(
            f"The upscaler {spec.name} does not enlarge by {drawing.SCALE}.", "Stable Diffusion x4 does."
        )
    return drawing.LoadedSd(pipeline, where, dtype)


def load_latent(spec: ModelSpec, device: Any) -> latent.LoadedLatent:
    """The latent upscaler x2, as `load_sd`."""
    return latent.LoadedLatent(*_loaded(spec, device, "StableDiffusionLatentUpscalePipeline"))


def _loaded(spec: ModelSpec, device: Any, name: str, low_res: bool = False) -> tuple[Any, Any, Any]:
    """(pipeline, device, dtype); low_res: it has parts that are never used here"""
    from diffscaler import compat

    compat.install()  # before the first import of transformers or diffusers
    import diffusers

    where = torch.device(device.torch_name)
    dtype = torch.float32 if where.type == "cpu" else getattr(torch, device.dtype)
    without = {"safety_checker": None, "watermarker": None, "feature_extractor": None} if low_res else {}
    try:
        pipeline = getattr(diffusers, name).from_pretrained(
            spec.path, torch_dtype=dtype, use_safetensors=True, local_files_only=True, **without
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelNotFound(
            f"The upscaler {spec.name} cannot be loaded.",
            "Its folder needs every part that its model_index.json names, as safetensors.",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(where)
    if pipeline.vae.config.force_upcast:
        pipeline.vae.float()  # it overflows in float16
    return pipeline, where, dtype
