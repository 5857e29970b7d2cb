"""Wan 2.x, from words or from a picture and words."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.errors import InvalidRequest
from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.library import clip_noise, with_picture
from diffscaler.text2video.motion import to_numpy
from diffscaler.text2video.redraw import LibraryRedraw


class Wan(LibraryRedraw):
    """Flow matching; the VAE makes one latent of 4 frames, the first frame alone."""

    pipeline_class: ClassVar[str] = "WanPipeline"
    redraw_class: ClassVar[str] = "WanVideoToVideoPipeline"
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

    def redraws(self, pipeline: Any, latents: torch.Tensor, sampling: Sampling) -> dict[str, Any]:
        # The library's pipeline knows one network, and does not tell its cache which half of guidance it computes.
        if self.pipeline.components.get("transformer_2") is not None:
            raise InvalidRequest("A Wan of two networks cannot redraw a clip.", "Use one with a single network.")
        if sampling.reuse != "off":
            raise InvalidRequest(
                "Wan cannot use results of its steps twice while it redraws a clip.", "Set Reuse steps to off."
            )
        # Its sampler walks in float32, whatever the network computes in.
        return super().redraws(pipeline, latents, sampling) | {"latents": latents}

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        mean, deviation = self.statistics(latents)
        return self.pipeline.vae.decode(latents * deviation + mean).sample

    @torch.inference_mode()
    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        latents = self.encoded(frames)
        mean, deviation = self.statistics(latents)
        return to_numpy(((latents - mean) / deviation)[0])

    def statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each of the VAE's channels, (1, C, 1, 1, 1)."""
        config = self.pipeline.vae.config
        mean, deviation = (
            torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return mean, deviation


class WanFromPicture(Wan):
    """The same, with the first frame given."""

    pipeline_class: ClassVar[str] = "WanImageToVideoPipeline"

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return super().arguments(sampling) | with_picture(sampling)
