"""Wan 2.x, from words or from a picture and words."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import torch

from diffscaler.text2video.family import Sampling
from diffscaler.text2video.library import LibraryFamily, clip_noise, with_picture


class Wan(LibraryFamily):
    """Flow matching; the VAE makes one latent of 4 frames, the first frame alone."""

    pipeline_class: ClassVar[str] = "WanPipeline"
    float32_parts: ClassVar[tuple[str, ...]] = ("vae",)

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        # What the pipeline's call asks for; its prompt encoder alone would pad to less, and draw something else.
        length = inspect.signature(self.pipeline.__call__).parameters["max_sequence_length"].default
        positive, negative = self.pipeline.encode_prompt(
            prompt, negative_prompt or "", True, max_sequence_length=length, device=self.device
        )
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        frames = (sampling.num_frames - 1) // self.pipeline.vae_scale_factor_temporal + 1
        channels = self.pipeline.vae.config.z_dim
        return clip_noise(channels, frames, sampling, self.pipeline.vae_scale_factor_spatial, generator)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        mean, deviation = (
            torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return self.pipeline.vae.decode(latents * deviation + mean).sample


class WanFromPicture(Wan):
    """The same, with the first frame given."""

    pipeline_class: ClassVar[str] = "WanImageToVideoPipeline"

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return super().arguments(sampling) | with_picture(sampling)
