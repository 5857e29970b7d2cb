"""ModelScope text to video, and its second pass over a clip: a 3-D U-Net over the frames' latents. Wang et al. 2023."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.text2video.family import Array, Sampling, spread
from diffscaler.text2video.library import clip_noise
from diffscaler.text2video.motion import decode_each, encode_each
from diffscaler.text2video.redraw import LibraryRedraw


class ModelScope(LibraryRedraw):
    """4 latent channels, a VAE that decodes each frame alone."""

    pipeline_class: ClassVar[str] = "TextToVideoSDPipeline"
    redraw_class: ClassVar[str] = "VideoToVideoSDPipeline"
    decodes_whole: ClassVar[bool] = False

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        positive, negative = self.pipeline.encode_prompt(prompt, self.device, 1, True, negative_prompt or "")
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        channels, factor = self.pipeline.unet.config.in_channels, self.pipeline.vae_scale_factor
        return clip_noise(channels, sampling.num_frames, sampling, factor, generator)

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        # Its sampler sees frames as a batch (F, C, h, w); the finished latents are a clip (1, C, F, h, w).
        return latents[0] if latents.ndim == 5 else latents.transpose(0, 1)

    def redraws(self, pipeline: Any, latents: torch.Tensor, sampling: Sampling) -> dict[str, Any]:
        # Its call takes latents for a clip, and has no other way in for those that are noisy already.
        pipeline.prepare_latents = lambda video, *_: video.to(self.device, self.dtype)
        return {"video": latents.transpose(1, 2)}

    @torch.inference_mode()
    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        return encode_each(self.pipeline.vae, frames, self.device)

    @torch.inference_mode()
    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        return decode_each(self.pipeline.vae, latents, self.device)

    def preview(self, clean: Array, num_frames: int) -> npt.NDArray[np.uint8]:
        return self.decode(np.ascontiguousarray(clean[:, spread(clean.shape[1], num_frames)]))
