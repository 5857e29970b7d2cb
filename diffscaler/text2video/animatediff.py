"""The AnimateDiff family: an image U-Net with temporal layers (`UNetMotionModel`), as `mini` is.

The denoising loop is ours, for a preview of the clean picture at every step and a Stop between any two.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.errors import ModelNotFound
from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.layout import channels_last
from diffscaler.text2video.noise import mixed_noise, read_shared_noise
from diffscaler.text2video.vocabulary import Reading, read_prompt


class AnimateDiff:
    """pipeline: a diffusers AnimateDiffPipeline, used for its components and its prompt encoder; path: its folder."""

    def __init__(self, pipeline: Any, device: Any, path: Path) -> None:
        self.pipeline = pipeline
        self.shared_noise = read_shared_noise(path)
        self.path = path
        self.device = torch.device(device.torch_name)
        self.dtype: torch.dtype = getattr(torch, device.dtype)

    @classmethod
    def load(cls, path: Path, device: Any) -> AnimateDiff:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        from diffusers import AnimateDiffPipeline
        from safetensors import SafetensorError

        try:
            pipeline = AnimateDiffPipeline.from_pretrained(
                str(path),
                local_files_only=True,
                dtype=getattr(torch, device.dtype),
                use_safetensors=True,
                low_cpu_mem_usage=True,
            )
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelNotFound(
                f"The model in {path.name} cannot be loaded: {str(error).splitlines()[0][:160]}", "Add it again."
            ) from error
        pipeline.to(device.torch_name)
        for name in ("unet", "vae", "text_encoder"):
            channels_last(getattr(pipeline, name)).eval().requires_grad_(False)
        try:
            return cls(pipeline, device, path)
        except ValueError as error:
            raise ModelNotFound(f"The model in {path.name} cannot be loaded: {error}.", "Add it again.") from error

    def read(self, prompt: str) -> Reading | None:
        return read_prompt(self.path, prompt)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """prompt_embeds, negative_prompt_embeds: float32 (1, tokens, width)."""
        # Words a small model was never taught would be noise to it, not nothing.
        reading, unwanted = self.read(prompt), self.read(negative_prompt)
        prompt = reading.heard if reading else prompt
        negative_prompt = unwanted.heard if unwanted else negative_prompt
        positive, negative = self.pipeline.encode_prompt(
            prompt, self.device, 1, True, negative_prompt=negative_prompt or ""
        )
        return {"prompt_embeds": to_numpy(positive), "negative_prompt_embeds": to_numpy(negative)}

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: Callable[[int, int, Any], None]) -> Array:
        unet, scheduler = self.pipeline.unet, type(self.pipeline.scheduler).from_config(self.pipeline.scheduler.config)
        scheduler.set_timesteps(sampling.num_inference_steps, device=self.device)
        factor = self.pipeline.vae_scale_factor
        shape = (1, unet.config.in_channels, sampling.num_frames, sampling.height // factor, sampling.width // factor)
        # Drawn on the CPU whatever the device: the same seed is the same noise everywhere.
        generator = torch.Generator("cpu").manual_seed(sampling.seed)
        noise = mixed_noise(shape, self.shared_noise, generator)
        latents = noise.to(self.device) * scheduler.init_noise_sigma
        guided = sampling.guidance_scale > 1
        words = self._words(text, sampling.num_frames, guided)
        for index, timestep in enumerate(scheduler.timesteps):
            given = torch.cat([latents] * 2) if guided else latents
            given = scheduler.scale_model_input(given, timestep).to(self.dtype)
            predicted = unet(given, timestep, encoder_hidden_states=words).sample.float()
            if guided:
                without, with_words = predicted.chunk(2)
                predicted = without + sampling.guidance_scale * (with_words - without)
            step = scheduler.step(predicted, timestep, latents)
            latents = step.prev_sample
            clean = getattr(step, "pred_original_sample", None)
            on_step(index + 1, len(scheduler.timesteps), to_numpy(latents if clean is None else clean)[0])
        return to_numpy(latents)[0]

    def _words(self, text: dict[str, Array], num_frames: int, guided: bool) -> torch.Tensor:
        """Text embeddings, one row per frame; the unconditional half first when guidance needs it."""
        names = ("negative_prompt_embeds", "prompt_embeds") if guided else ("prompt_embeds",)
        rows = torch.cat([torch.from_numpy(text[name]) for name in names]).to(self.device, self.dtype)
        return rows.repeat_interleave(num_frames, dim=0)

    @torch.inference_mode()
    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        vae = self.pipeline.vae
        frames = []
        # One frame at a time: the result cannot depend on how a clip was cut into chunks, and memory stays flat.
        for frame in torch.from_numpy(latents).permute(1, 0, 2, 3):
            sample = frame[None].to(self.device, self.dtype) / vae.config.scaling_factor
            picture = vae.decode(sample).sample[0].float().clamp(-1, 1)
            frames.append(((picture + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy())
        return np.stack(frames)


def to_numpy(tensor: torch.Tensor) -> Array:
    return tensor.float().cpu().numpy()
