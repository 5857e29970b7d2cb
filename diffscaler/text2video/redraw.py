"""Families whose library has a second pipeline over the same parts, which begins from the latents of a clip."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.text2video.family import Array, OnStep, Sampling
from diffscaler.text2video.library import LibraryFamily, same_parts
from diffscaler.text2video.motion import to_sample
from diffscaler.text2video.schedulers import make_scheduler
from diffscaler.text2video.strength import begun


class LibraryRedraw(LibraryFamily):
    """Noise and clip are put together here and not in the pipeline's call: the same seed is the same noise everywhere,
    with what frames share of it, and a clip's latents are computed once."""

    redraw_class: ClassVar[str]

    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        if sampling.source is not None and not sampling.steps_taken:
            return sampling.source
        return super().denoise(text, sampling, on_step)

    def beginning(self, sampling: Sampling, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
        if sampling.source is None or not sampling.first_step:
            return super().beginning(sampling, generator)
        noise = self.noise(sampling, generator)
        assert noise is not None  # families that redraw draw their noise themselves
        scheduler = make_scheduler(self.pipeline.scheduler, sampling.scheduler)
        scheduler.set_timesteps(sampling.num_inference_steps, device=self.device)
        source = self.from_clip(torch.from_numpy(sampling.source)[None].to(self.device), noise)
        latents = begun(scheduler, noise.to(self.device), source, sampling.first_step)
        pipeline = same_parts(self.pipeline, self.redraw_class)
        return pipeline, {"strength": sampling.strength, **self.redraws(pipeline, latents, sampling)}

    def from_clip(self, source: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Latents (1, C, F', h, w) laid out as `noise` is."""
        return source

    def redraws(self, pipeline: Any, latents: torch.Tensor, sampling: Sampling) -> dict[str, Any]:
        """What the pipeline's call is given to begin with. latents: float32, noisy, laid out as `noise` gives them"""
        return {"width": sampling.width, "height": sampling.height, "latents": latents.to(self.dtype)}

    @abstractmethod
    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        """See RedrawingFamily."""

    def encoded(self, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
        """What the VAE says of a whole clip, uint8 RGB (F, H, W, 3): (1, C, F', h, w), not yet scaled.

        The middle of what it allows, not a draw from it: a clip always has the same latents.
        """
        vae = self.pipeline.vae
        pictures = to_sample(frames).transpose(0, 1)[None].to(self.device, vae.dtype)
        return vae.encode(pictures).latent_dist.mode()
