"""HunyuanVideo 1.5, from words or from a picture and words."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch

from diffscaler.text2video.family import Array, OnStep, Sampling
from diffscaler.text2video.library import LibraryFamily, clip_noise, with_picture

NAMES = ("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2")


class HunyuanVideo15(LibraryFamily):
    """Flow matching; guidance is a component of its own, the guider."""

    pipeline_class: ClassVar[str] = "HunyuanVideo15Pipeline"

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        positive = self.pipeline.encode_prompt(prompt, device=self.device)
        negative = self.pipeline.encode_prompt(negative_prompt or "", device=self.device)
        return dict(zip(NAMES, positive, strict=True)) | dict(
            zip((f"negative_{name}" for name in NAMES), negative, strict=True)
        )

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return {}

    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        own = self.pipeline.guider
        # The scale belongs to the guider, and the next run must find it as it was.
        self.pipeline.guider = copy.copy(own)
        self.pipeline.guider.guidance_scale = sampling.guidance_scale
        try:
            return super().denoise(text, sampling, on_step)
        finally:
            self.pipeline.guider = own

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        pipeline = self.pipeline
        frames = (sampling.num_frames - 1) // pipeline.vae_scale_factor_temporal + 1
        return clip_noise(pipeline.num_channels_latents, frames, sampling, pipeline.vae_scale_factor_spatial, generator)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        return self.pipeline.vae.decode(latents / self.pipeline.vae.config.scaling_factor).sample


class HunyuanVideo15FromPicture(HunyuanVideo15):
    """The same, with the first frame given."""

    pipeline_class: ClassVar[str] = "HunyuanVideo15ImageToVideoPipeline"

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return super().arguments(sampling) | with_picture(sampling)

    def beginning(self, sampling: Sampling, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
        pipeline, begin = super().beginning(sampling, generator)
        return pipeline, {name: value for name, value in begin.items() if name not in ("width", "height")}

    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        own = self.pipeline.video_processor
        # Its call takes the trained size nearest to the picture's shape; the picture has the size asked for already.
        self.pipeline.video_processor = copy.copy(own)
        self.pipeline.video_processor.calculate_default_height_width = lambda **_: (sampling.height, sampling.width)
        try:
            return super().denoise(text, sampling, on_step)
        finally:
            self.pipeline.video_processor = own
