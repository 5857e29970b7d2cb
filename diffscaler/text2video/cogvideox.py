"""CogVideoX, from words or from a picture and words. Yang et al. 2024."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from diffscaler.text2video.family import Sampling
from diffscaler.text2video.library import LibraryFamily, clip_noise, with_picture


class CogVideoX(LibraryFamily):
    """16 latent channels; the VAE makes one latent of 4 frames of 8 x 8 pixels, the first frame alone."""

    pipeline_class: ClassVar[str] = "CogVideoXPipeline"

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        pipeline, config = self.pipeline, self.pipeline.transformer.config
        frames = (sampling.num_frames - 1) // pipeline.vae_scale_factor_temporal + 1
        # CogVideoX 1.5 takes several latent frames as one token; the pipeline cuts off what is too much.
        patch = config.patch_size_t or 1
        frames += -frames % patch
        noise = clip_noise(config.out_channels, frames, sampling, pipeline.vae_scale_factor_spatial, generator)
        return noise.transpose(1, 2).contiguous()

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        frames = (sampling.num_frames - 1) // self.pipeline.vae_scale_factor_temporal + 1
        return latents[0, -frames:].transpose(0, 1)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        return self.pipeline.vae.decode(latents / self.pipeline.vae.config.scaling_factor).sample


class CogVideoXFromPicture(CogVideoX):
    """The same, with the first frame given."""

    pipeline_class: ClassVar[str] = "CogVideoXImageToVideoPipeline"

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return super().arguments(sampling) | with_picture(sampling)
