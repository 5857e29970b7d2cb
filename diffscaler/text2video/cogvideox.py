"""CogVideoX, from words or from a picture and words. Yang et al. 2024."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.library import clip_noise, with_picture
from diffscaler.text2video.motion import to_numpy
from diffscaler.text2video.redraw import LibraryRedraw


class CogVideoX(LibraryRedraw):
    """16 latent channels; the VAE makes one latent of 4 frames of 8 x 8 pixels, the first frame alone."""

    pipeline_class: ClassVar[str] = "CogVideoXPipeline"
    redraw_class: ClassVar[str] = "CogVideoXVideoToVideoPipeline"

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        pipeline, config = self.pipeline, self.pipeline.transformer.config
        factor = pipeline.vae_scale_factor_temporal
        frames = (sampling.num_frames - 1) // factor + 1
        # CogVideoX 1.5 takes several latent frames as one token; `to_clip` cuts off what is too much.
        patch = config.patch_size_t or 1
        # The library's pipeline that redraws takes latent frames for frames when it checks that they fill their tokens.
        while frames % patch or (sampling.first_step and ((frames - 1) // factor + 1) % patch):
            frames += 1
        noise = clip_noise(config.out_channels, frames, sampling, pipeline.vae_scale_factor_spatial, generator)
        return noise.transpose(1, 2).contiguous()

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        frames = (sampling.num_frames - 1) // self.pipeline.vae_scale_factor_temporal + 1
        return latents[0, -frames:].transpose(0, 1)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        return self.pipeline.vae.decode(latents / self.pipeline.vae.config.scaling_factor).sample

    @torch.inference_mode()
    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        return to_numpy(self.encoded(frames)[0] * self.pipeline.vae.config.scaling_factor)

    def from_clip(self, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        clip = source.transpose(1, 2)
        # What fills up the tokens is in front.
        return torch.cat([clip[:, :1].expand(-1, noise.shape[1] - clip.shape[1], -1, -1, -1), clip], dim=1)


class CogVideoXFromPicture(CogVideoX):
    """The same, with the first frame given."""

    pipeline_class: ClassVar[str] = "CogVideoXImageToVideoPipeline"

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return super().arguments(sampling) | with_picture(sampling)
