"""LTX-Video, from words, or from a picture and words with the same weights. HaCohen et al. 2024."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from diffscaler.text2video.family import Sampling
from diffscaler.text2video.library import LibraryFamily, with_picture

#: How much noise the decoder is given with the latents, and told, where its VAE was trained to remove some.
DECODE_TIMESTEP = 0.05


class Ltx(LibraryFamily):
    """128 latent channels; the VAE makes one latent of 8 frames of 32 x 32 pixels. Latents travel as tokens."""

    pipeline_class: ClassVar[str] = "LTXPipeline"
    picture_class: ClassVar[str] = "LTXImageToVideoPipeline"

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        names = (
            "prompt_embeds",
            "prompt_attention_mask",
            "negative_prompt_embeds",
            "negative_prompt_attention_mask",
        )
        values = self.pipeline.encode_prompt(prompt, negative_prompt or "", True, device=self.device)
        return dict(zip(names, values, strict=True))

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        given = {"frame_rate": sampling.fps, "guidance_rescale": sampling.guidance_rescale}
        return super().arguments(sampling) | given | with_picture(sampling)

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        if latents.ndim == 5:  # while a picture begins to move, the sampler sees the frames after it, not as tokens
            return latents[0]
        pipeline, patch = self.pipeline, self.pipeline.transformer_spatial_patch_size
        height = sampling.height // pipeline.vae_spatial_compression_ratio
        width = sampling.width // pipeline.vae_spatial_compression_ratio
        frames = (sampling.num_frames - 1) // pipeline.vae_temporal_compression_ratio + 1
        depth = pipeline.transformer_temporal_patch_size
        return pipeline._unpack_latents(latents, frames, height, width, patch, depth)[0]

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        vae = self.pipeline.vae
        latents = self.pipeline._denormalize_latents(
            latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
        )
        timestep = None
        if vae.config.timestep_conditioning:
            # The decoder's last denoising step. The same noise every time: a clip decoded twice is the same clip.
            noise = torch.randn(latents.shape, generator=torch.Generator("cpu").manual_seed(0)).to(latents)
            latents = (1 - DECODE_TIMESTEP) * latents + DECODE_TIMESTEP * noise
            timestep = torch.tensor([DECODE_TIMESTEP], device=latents.device, dtype=latents.dtype)
        return vae.decode(latents, timestep).sample
