"""Models that are an image U-Net with temporal layers (`UNetMotionModel`): AnimateDiff, Hotshot-XL and `mini`.

The denoising loop is ours, for a preview of the clean picture at every step, a Stop between any two, and clips longer
than the window the temporal layers were trained on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.text2video.family import Array, OnStep, Sampling, spread
from diffscaler.text2video.free_init import reinitialised, signal_left
from diffscaler.text2video.frugal import Frugal
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.ip_adapter import picture_attention
from diffscaler.text2video.layout import channels_last
from diffscaler.text2video.noise import mixed_noise, read_shared_noise, rescheduled
from diffscaler.text2video.plate import by_regions, width_px
from diffscaler.text2video.reuse import INTERVALS, deep_features
from diffscaler.text2video.schedulers import clean_latents, make_scheduler
from diffscaler.text2video.strength import begun
from diffscaler.text2video.vocabulary import Reading, read_prompt
from diffscaler.text2video.windows import blended

#: What the names of what was read of the setting alone begin with.
SETTING = "setting_"

#: network(latents (B, 4, F, h, w), timestep, frames, step) -> what it predicts for them; step: index of those
#: taken, 0 is the first.
Network = Callable[[torch.Tensor, torch.Tensor, Sequence[int], int], torch.Tensor]


class MotionFamily(ABC):
    """pipeline: a diffusers pipeline, used for its parts and its prompt encoder; path: its folder."""

    decodes_whole = False
    note = ""
    windows = True

    def __init__(self, pipeline: Any, device: Any, path: Path) -> None:
        self.pipeline = pipeline
        self.shared_noise = read_shared_noise(path)
        self.path = path
        self.device = torch.device(device.torch_name)
        self.dtype: torch.dtype = getattr(torch, device.dtype)
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                channels_last(part).eval().requires_grad_(False)
        self.frugal = Frugal(pipeline, device, self.dtype, self.windows)

    def read(self, prompt: str) -> Reading | None:
        return read_prompt(self.path, prompt)

    def heard(self, prompt: str, negative_prompt: str) -> tuple[str, str]:
        """What the network is given of both prompts: the words it knows, those of the sides swapped where the clip will
        be shown in the mirror. A small model's unknown words would be noise to it, not nothing."""
        reading, unwanted = self.read(prompt), self.read(negative_prompt)
        if reading is None or unwanted is None:
            return prompt, negative_prompt
        return reading.turned(reading.drawn), reading.turned(unwanted.drawn)

    @abstractmethod
    def network(self, text: dict[str, Array], sampling: Sampling, guidance: bool) -> Network:
        """The U-Net with its words and conditions; with guidance the batch holds "nothing" first, then the words."""

    def over_plate(self, text: dict[str, Array], sampling: Sampling, guidance: bool) -> Network:
        """The same, for latents as wide as a plate (plate.py); needs what `encode_text` says about the setting."""
        subject, setting = (self.network(words, sampling, guidance) for words in (text, setting_of(text)))
        return by_regions(subject, setting, sampling.width // self.pipeline.vae_scale_factor)

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        source = None if sampling.source is None else torch.from_numpy(sampling.source)[None].to(self.device)
        if source is not None and not sampling.steps_taken:
            return to_numpy(source)[0]
        # Drawn on the CPU whatever the device: the same seed is the same noise everywhere.
        generator = torch.Generator("cpu").manual_seed(sampling.seed)
        first = self.noise(sampling, generator).to(self.device)
        left = signal_left(make_scheduler(self.pipeline.scheduler, sampling.scheduler)) if sampling.free_init else 0.0
        asked = partial(self.over_plate if sampling.pan_px else self.network, text, sampling)
        latents = self.drawn(first, source, asked, sampling, generator, on_step)
        for number in range(1, sampling.free_init + 1):
            fresh = self.noise(sampling, generator)
            noise = reinitialised(latents, first, fresh, left, sampling.free_init_filter)
            latents = self.drawn(noise, source, asked, sampling, generator, on_step, number)
        return to_numpy(latents)[0]

    def drawn(
        self,
        noise: torch.Tensor,
        source: torch.Tensor | None,
        asked: Callable[[bool], Network],
        sampling: Sampling,
        generator: torch.Generator,
        on_step: OnStep,
        number: int = 0,
    ) -> torch.Tensor:
        """One way from noise (1, 4, F, h, w) to finished latents, the `number`th of those FreeInit takes.

        asked: with guidance or without -> the network, as `network` gives it
        """
        scheduler = make_scheduler(self.pipeline.scheduler, sampling.scheduler)
        scheduler.set_timesteps(sampling.num_inference_steps, device=self.device)
        latents = begun(scheduler, noise, source, sampling.first_step)
        timesteps = scheduler.timesteps[sampling.first_step * scheduler.order :]
        if sampling.first_step and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(sampling.first_step * scheduler.order)
        with_guidance = sampling.guidance_scale > 1
        window = self.frugal.window(sampling.window, sampling.num_frames) or sampling.num_frames
        overlap = sampling.overlap or window // 4
        extra = {"generator": generator} if takes(scheduler.step, "generator") else {}
        total = len(timesteps)
        unet = self.pipeline.unet
        # An IP-Adapter's attention is set up for both halves of the batch.
        halves = with_guidance and sampling.reuse != "off" and sampling.reference is None
        network = asked(with_guidance)
        words_only = asked(False) if halves else network
        with (
            deep_features(unet, INTERVALS[sampling.reuse]) as kept,
            picture_attention(unet, sampling.reference, with_guidance, self.device, self.dtype),
        ):
            for index, timestep in enumerate(timesteps):
                given = scheduler.scale_model_input(latents, timestep)

                def predict(
                    part: torch.Tensor, frames: Sequence[int], index: int = index, timestep: torch.Tensor = timestep
                ) -> torch.Tensor:
                    reused = kept.begin(index, frames[0])
                    if reused and halves:
                        words = words_only(part.to(self.dtype), timestep, frames, index).float()
                        without = words + kept.guidance[frames[0]]
                        return guided(without, words, sampling.guidance_scale, sampling.guidance_rescale)
                    both = torch.cat([part] * 2) if with_guidance else part
                    predicted = network(both.to(self.dtype), timestep, frames, index).float()
                    if not with_guidance:
                        return predicted
                    without, words = predicted.chunk(2)
                    if halves:
                        kept.guidance[frames[0]] = without - words
                    return guided(without, words, sampling.guidance_scale, sampling.guidance_rescale)

                predicted = blended(predict, given, window, min(overlap, window - 1))
                step = scheduler.step(predicted, timestep, latents, **extra)
                clean = clean_latents(scheduler, step, predicted, latents, None)
                latents = step.prev_sample
                on_step(number * total + index + 1, (sampling.free_init + 1) * total, to_numpy(clean)[0])
        return latents

    def noise(self, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
        """What the clip is drawn from, float32 (1, 4, F, h, w) on the CPU."""
        factor = self.pipeline.vae_scale_factor
        width = width_px(sampling.width, sampling.num_frames, sampling.pan_px)
        size = (sampling.height // factor, width // factor)
        shape = (1, self.pipeline.unet.config.in_channels, sampling.num_frames, *size)
        shared = self.shared_noise if sampling.shared_noise is None else sampling.shared_noise
        return rescheduled(mixed_noise(shape, shared, generator), sampling.window, generator)

    @torch.inference_mode()
    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        return decode_each(self.pipeline.vae, latents, self.device)

    @torch.inference_mode()
    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        return encode_each(self.pipeline.vae, frames, self.device)

    def preview(self, clean: Array, num_frames: int) -> npt.NDArray[np.uint8]:
        return self.decode(np.ascontiguousarray(clean[:, spread(clean.shape[1], num_frames)]))


def setting_of(text: dict[str, Array]) -> dict[str, Array]:
    """What was read of the setting alone, under the names that the whole prompt has."""
    return text | {name.removeprefix(SETTING): part for name, part in text.items() if name.startswith(SETTING)}


def decode_each(vae: Any, latents: Array, device: torch.device) -> npt.NDArray[np.uint8]:
    """Latents (C, F, h, w) through an image VAE.

    One frame at a time: the result cannot depend on how a clip was cut into chunks, and memory stays flat.
    """
    frames = []
    for frame in torch.from_numpy(latents).permute(1, 0, 2, 3):
        sample = frame[None].to(device, vae.dtype) / vae.config.scaling_factor
        frames.append(to_pictures(vae.decode(sample).sample)[0])
    return np.stack(frames)


def encode_each(vae: Any, frames: npt.NDArray[np.uint8], device: torch.device) -> Array:
    """Frames, uint8 RGB (F, H, W, 3), through an image VAE, one at a time as in `decode_each` -> (C, F, h, w).

    The middle of what the encoder allows, not a draw from it: a frame always has the same latents.
    """
    own = vae.dtype
    # Some encoders overflow in float16; the library encodes with those in float32 too.
    widened = own == torch.float16 and bool(vae.config.get("force_upcast"))
    if widened:
        vae.to(torch.float32)
    try:
        latents = [vae.encode(frame[None].to(device, vae.dtype)).latent_dist.mode() for frame in to_sample(frames)]
    finally:
        if widened:
            vae.to(own)
    return to_numpy(torch.cat(latents).transpose(0, 1) * vae.config.scaling_factor)


def to_numpy(tensor: torch.Tensor) -> Array:
    return tensor.float().cpu().numpy()


def to_pictures(sample: torch.Tensor) -> npt.NDArray[np.uint8]:
    """(N, 3, H, W) in -1..1 -> uint8 RGB (N, H, W, 3)."""
    picture = sample.float().clamp(-1, 1)
    return ((picture + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def to_sample(frames: npt.NDArray[np.uint8]) -> torch.Tensor:
    """uint8 RGB (F, H, W, 3) -> float32 (F, 3, H, W) in -1..1: the way back of `to_pictures`."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name."""
    import inspect

    return name in inspect.signature(function).parameters
