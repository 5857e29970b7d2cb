"""Counts for the decoder that looks along time."""

from __future__ import annotations

from typing import Any

from training.counting.counted import Counted, by_trainer
from training.counting.files import bytes_of, config_of, folder_of
from training.events import RunError


def temporal_decoder(config: Any) -> Counted:
    import torch

    from diffscaler import compat

    compat.install()  # before the first import of diffusers
    import diffusers

    from training.recipes.temporal_decoder.critic import PatchCritic
    from training.recipes.temporal_decoder.network import HINT, Decoding, is_temporal
    from training.recipes.temporal_decoder.network import temporal_decoder as looking_along_time

    folder = folder_of(config.init)
    about = config_of(folder / "vae" if (folder / "vae" / "config.json").is_file() else folder)
    kind = str(about.get("_class_name"))
    if kind not in ("AutoencoderKL", "AutoencoderKLTemporalDecoder"):
        raise RunError(f"The VAE of {folder.name} is a {kind[:60]}, which decodes no images.", HINT)
    with torch.device("meta"):
        vae: Any = getattr(diffusers, kind).from_config(about)
        vae, before = looking_along_time(vae) if kind == "AutoencoderKL" else (vae, None)
        decoding = Decoding(vae, before)
        critic = PatchCritic() if config.adversarial_weight else None
    judged = sum(p.numel() for p in critic.parameters()) if critic else 0
    learnt = sum(
        p.numel() for name, p in decoding.decoder.named_parameters() if config.layers == "all" or is_temporal(name)
    )
    whole = sum(p.numel() for p in vae.parameters())
    between = sum(p.numel() for p in before.parameters()) if before is not None else 0
    model = 4 * whole + (bytes_of(folder_of(config.into), ("vae",)) if config.into else 0)
    return by_trainer(config, learnt + judged, model, held_bytes=4 * (whole + between - learnt))
