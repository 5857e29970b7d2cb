"""Frames drawn twice as large by the latent upscaler for Stable Diffusion, tile by tile.

One frame in one tile is what the library's StableDiffusionLatentUpscalePipeline gives: a network in the form of Karras
et al. 2022 (table 1), told the frame's latents and the pooled text. Noise and tiles are as in `drawing.py`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.upscale.pair.sampling import noise_field
from diffscaler.upscale.sd.drawing import OTHER_NOISE, Noise, OnStep, Sampling, decoded, tiles

#: Times larger, of pictures and of latents.
SCALE = 2

#: Numbers of the condition that say "no noise was added": 64 ones and 64 zeros, as the network was trained.
SAID = 64


@dataclass(frozen=True)
class Told:
    """words: (copies, tokens, width); pooled: (copies, width): of nothing, if guided, and of the prompt."""

    words: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class LoadedLatent:
    """pipeline: diffusers' StableDiffusionLatentUpscalePipeline, its parts on `device` in `dtype`."""

    pipeline: Any
    device: Any
    dtype: Any
    scale: int = SCALE

    @property
    def cell_multiple(self) -> int:
        """What the sides of what is drawn have to be divided by, in latents."""
        return int(2 ** (len(self.pipeline.unet.config.block_out_channels) - 1))

    @property
    def multiple(self) -> int:
        """The same of the small frame, in pixels."""
        return self.pipeline.vae_scale_factor * max(1, self.cell_multiple // SCALE)  # type: ignore[no-any-return]

    @property
    def least(self) -> int:
        """Pixels a side that the network can work on: its lowest level repeats mirrored edges and needs two latents."""
        return 2 * self.multiple

    def told(self, prompt: str, guided: bool) -> Told:
        wanted, nothing, pooled, pooled_nothing = self.pipeline.encode_prompt(prompt, self.device, guided)
        if not guided:
            return Told(wanted, pooled)
        return Told(torch.cat([nothing, wanted]), torch.cat([pooled_nothing, pooled]))

    def noise(self, height: int, width: int, seed: int) -> Noise:
        """on_frame: what the frame's latents are drawn with."""
        channels, px = self.pipeline.vae.config.latent_channels, self.pipeline.vae_scale_factor
        down, across = height // px, width // px
        return Noise(
            noise_field(channels, down, across, seed + OTHER_NOISE)[None],
            noise_field(channels, SCALE * down, SCALE * across, seed)[None],
        )

    def larger(self, small: Tensor, told: Told, sampling: Sampling, noise: Noise, on_step: OnStep) -> Tensor:
        """The picture of a frame (1, 3, h, w) in -1..1: float32 (1, 3, 2 h, 2 w), about -1..1."""
        tile = max(self.cell_multiple, sampling.tile * SCALE // self.pipeline.vae_scale_factor)
        latents = drawn(self, small, told, sampling, noise, on_step, tile)
        return decoded(self.pipeline.vae, latents, tile, self.cell_multiple, self.pipeline.vae_scale_factor)


def drawn(
    sd: LoadedLatent, small: Tensor, told: Told, sampling: Sampling, noise: Noise, on_step: OnStep, tile: int
) -> Tensor:
    """The latents of the larger picture: (1, channels, 2 h / 8, 2 w / 8). tile: of them, a side"""
    pipeline, guided = sd.pipeline, sampling.guidance > 1
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(sampling.steps, device=sd.device)
    given = F.interpolate(encoded(sd, small, noise.on_frame, sampling.tile), scale_factor=SCALE, mode="nearest")
    latents = noise.to_draw.to(given) * scheduler.init_noise_sigma
    copies = 2 if guided else 1
    spoken = torch.ones(copies, 2 * SAID, dtype=sd.dtype, device=sd.device)
    spoken[:, SAID:] = 0
    condition = torch.cat([spoken, told.pooled.to(spoken)], dim=1)
    places = list(tiles(*latents.shape[-2:], tile, sd.cell_multiple))
    total = len(scheduler.timesteps) * len(places)
    for number, time in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[number]
        asked = torch.cat([scheduler.scale_model_input(latents, time), given], dim=1)
        kept, share = 1 / (sigma**2 + 1), sigma / (sigma**2 + 1) ** 0.5
        said, weight = torch.zeros_like(latents), torch.zeros_like(latents[:, :1])
        for part, (seen, counts) in enumerate(places):
            cells = (..., slice(seen.top, seen.bottom), slice(seen.left, seen.right))
            answer = pipeline.unet(
                asked[cells].repeat(copies, 1, 1, 1),
                torch.log(sigma) * 0.25,
                encoder_hidden_states=told.words,
                timestep_cond=condition,
                return_dict=False,
            )[0][:, :-1]  # fmt: skip - the last channel is a variance that nobody uses
            if guided:
                plain, wanted = answer.chunk(2)
                answer = plain + sampling.guidance * (wanted - plain)
            said[cells] += (kept * latents[cells] + share * answer) * counts.to(answer)
            weight[cells] += counts.to(answer)
            on_step(number * len(places) + part + 1, total)
        latents = scheduler.step(said / weight, time, latents, return_dict=False)[0]
    return latents


def encoded(sd: LoadedLatent, small: Tensor, noise: Tensor, tile: int) -> Tensor:
    """The latents of a frame, drawn with `noise`; large frames part by part, by the library's own tiles."""
    vae = sd.pipeline.vae
    vae.use_tiling, vae.tile_sample_min_size = max(small.shape[-2:]) > tile, tile
    vae.tile_latent_min_size = tile // sd.pipeline.vae_scale_factor
    there = vae.encode(small.to(sd.device, vae.dtype)).latent_dist
    vae.use_tiling = False  # what is decoded comes in tiles of ours
    return ((there.mean + there.std * noise.to(there.mean)) * vae.config.scaling_factor).to(sd.dtype)
