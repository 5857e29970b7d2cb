"""Text2Video-Zero: motion from an image checkpoint without any training. Khachatryan et al. 2023.

One frame is drawn almost from noise, shifted a little further for each frame, made noisy again, and then all frames are
drawn together while every one of them looks at the first. The order of noise draws is that of the library's pipeline.
Where it is asked for, all of them go back to where they were noisy, with the first one's background, and are drawn
together once more (background.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from diffscaler.text2video.animatediff import AnimateDiff
from diffscaler.text2video.background import latent_masks, smoothed
from diffscaler.text2video.family import Array, OnStep, Sampling
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.foreground import BorderContrast
from diffscaler.text2video.frame_attention import first_frame, looking_at
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.motion import to_numpy
from diffscaler.text2video.schedulers import clean_latents, make_scheduler

#: How far the picture moves from frame to frame, in parts of its width and height: the paper's 12 of 512 pixels.
SHIFT = (12 / 512, 12 / 512)

#: Where on the way from picture to noise the frame is shifted, and how far it is made noisy again (the paper's steps 44
#: and 47 of 50, section 4.1).
SHIFTED_AT, NOISED_TO = 44 / 50, 47 / 50


def steps_of(num_inference_steps: int) -> tuple[int, int]:
    """(t0, t1): the two places, counted in steps from the picture; 0 <= t0 < t1 < num_inference_steps."""
    if num_inference_steps < 2:
        raise ValueError("two steps are the least")
    t1 = min(round(NOISED_TO * num_inference_steps), num_inference_steps - 1)
    return min(round(SHIFTED_AT * num_inference_steps), t1 - 1), t1


def shifted(latents: torch.Tensor, shifts: Sequence[tuple[float, float]]) -> torch.Tensor:
    """Each frame (F, C, h, w) sampled `shift` further right and down, in parts of its size; mirrored at the edges."""
    height, width = latents.shape[2:]
    x = (torch.arange(width, device=latents.device) + 0.5) / width
    y = (torch.arange(height, device=latents.device) + 0.5) / height
    move = torch.tensor(list(shifts), device=latents.device)
    grid = torch.stack(torch.broadcast_tensors(x[None, None], y[None, :, None]), dim=-1)[0] + move[:, None, None]
    return F.grid_sample(
        latents, (grid * 2 - 1).to(latents.dtype), mode="nearest", padding_mode="reflection", align_corners=False
    )


class TextToVideoZero(AnimateDiff):
    """A Stable Diffusion 1.x or 2.x pipeline; words and VAE are AnimateDiff's."""

    windows = False

    @classmethod
    def load(cls, path: Path, device: Any) -> TextToVideoZero:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        return open_pipeline(
            path, "StableDiffusionPipeline", device.dtype, lambda pipeline: cls(pipeline, device, path),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        scheduler = make_scheduler(self.pipeline.scheduler, "ddim")
        scheduler.set_timesteps(sampling.num_inference_steps, device=self.device)
        times = scheduler.timesteps
        t0, t1 = steps_of(len(times))
        generator = torch.Generator("cpu").manual_seed(sampling.seed)
        factor = self.pipeline.vae_scale_factor
        shape = (1, self.pipeline.unet.config.in_channels, sampling.height // factor, sampling.width // factor)
        first = torch.randn(shape, generator=generator).to(self.device) * scheduler.init_noise_sigma
        smooths = bool(sampling.smooth_background) and sampling.num_frames > 1
        total, done = len(times) - t0 + t1 + (t1 + 1 if smooths else 0), 0
        shifts = [(SHIFT[0] * k, SHIFT[1] * k) for k in range(1, sampling.num_frames)]

        def walk(latents: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
            nonlocal done
            for timestep in along:
                predicted = self.predicted(latents, timestep, text, sampling.guidance_scale, sampling.guidance_rescale)
                step = scheduler.step(predicted, timestep, latents)
                clean = clean_latents(scheduler, step, predicted, latents, None)
                latents = step.prev_sample
                done += 1
                on_step(done, total, to_numpy(clean.transpose(0, 1)))
            return latents

        noisy = walk(first, times[: -t1 - 1])
        drawn = walk(noisy, times[-t1 - 1 : -t0 - 1])
        others = drawn.repeat(sampling.num_frames - 1, 1, 1, 1)
        if len(others):
            others = shifted(others, shifts)
            # The stochastic step forward, from t0 to t1: the product of the alphas between.
            kept = scheduler.alphas[int(times[-t0 - 1]) : int(times[-t1 - 1])].prod()
            fresh = torch.randn(others.shape, generator=generator).to(self.device)
            others = kept.sqrt() * others + (1 - kept).sqrt() * fresh
        with looking_at(self.pipeline.unet, first_frame(sampling.num_frames)):
            begun = torch.cat([noisy, others])
            clip = walk(begun, times[-t1 - 1 :])
            if smooths:
                frames = self.decode(to_numpy(clip.transpose(0, 1)))
                masks = (sampling.foreground or BorderContrast()).masks(frames)
                masks = latent_masks(masks, *clip.shape[2:]).to(clip)
                begun = smoothed(begun, masks, lambda still: shifted(still, shifts), sampling.smooth_background)
                clip = walk(begun, times[-t1 - 1 :])
        return to_numpy(clip.transpose(0, 1))

    def predicted(
        self, latents: torch.Tensor, timestep: torch.Tensor, text: dict[str, Array], scale: float, rescale: float
    ) -> torch.Tensor:
        """The network's prediction for frames (F, 4, h, w), with guidance."""
        names = ("negative_prompt_embeds", "prompt_embeds") if scale > 1 else ("prompt_embeds",)
        words = torch.cat([torch.from_numpy(text[name]).expand(len(latents), -1, -1) for name in names])
        given = torch.cat([latents] * len(names)).to(self.dtype)
        found = self.pipeline.unet(given, timestep, encoder_hidden_states=words.to(self.device, self.dtype))
        parts = found.sample.float().chunk(len(names))
        return guided(*parts, scale, rescale) if len(names) == 2 else parts[0]
