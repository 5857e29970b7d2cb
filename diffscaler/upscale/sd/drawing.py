"""Frames drawn larger by Stable Diffusion's x4 upscaler (Rombach et al. 2022), tile by tile.

One frame in one tile is what the library's StableDiffusionUpscalePipeline gives. Here noise depends on the seed and the
place alone, so that frames that show the same come out the same; and what tiles say about the cells they share is
averaged at every step (Bar-Tal et al. 2023, "MultiDiffusion", eq. 5), so that no seam is drawn.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffscaler.media import Frames
from diffscaler.upscale.pair.sampling import noise_field
from diffscaler.upscale.pair.ssr import to_unit
from diffscaler.upscale.windows import Box, cover, ramp

#: Times larger.
SCALE = 4

#: Share of a tile that it has in common with each neighbour.
OVERLAP = 8

#: Added to the seed for the noise on the small frame.
OTHER_NOISE = 1_000_003


#: Sees (steps done, steps in all); it may raise.
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Sampling:
    """steps, guidance: of the sampler; noise_level: how far the small frame is noised, in steps of its own schedule
    tile: pixels of input a side that are worked on at once; seed: of all noise
    """

    steps: int
    guidance: float
    noise_level: int
    tile: int
    seed: int


@dataclass(frozen=True)
class Noise:
    """on_frame: (1, 3, h, w), goes on the small frame; to_draw: (1, channels, h, w), drawn from"""

    on_frame: Tensor
    to_draw: Tensor


@dataclass(frozen=True)
class LoadedSd:
    """pipeline: diffusers' StableDiffusionUpscalePipeline, its parts on `device` in `dtype`."""

    pipeline: Any
    device: Any
    dtype: Any
    scale: int = SCALE

    @property
    def multiple(self) -> int:
        """What sides have to be divided by: the U-Net halves them on every level but the last."""
        unet, vae = self.pipeline.unet.config, self.pipeline.vae_scale_factor
        return max(2 ** (len(unet.block_out_channels) - 1), vae)

    @property
    def least(self) -> int:
        """Pixels a side that the network can work on."""
        return self.multiple

    def told(self, prompt: str, guided: bool) -> Tensor:
        """What is said: the embeddings of nothing, if guided, and of the prompt."""
        wanted, nothing = self.pipeline.encode_prompt(prompt, self.device, 1, guided)
        return torch.cat([nothing, wanted]) if guided else wanted

    def noise(self, height: int, width: int, seed: int) -> Noise:
        channels = self.pipeline.vae.config.latent_channels
        return Noise(
            noise_field(3, height, width, seed + OTHER_NOISE)[None], noise_field(channels, height, width, seed)[None]
        )

    def larger(self, small: Tensor, told: Tensor, sampling: Sampling, noise: Noise, on_step: OnStep) -> Tensor:
        """The picture of a frame (1, 3, h, w) in -1..1: float32 (1, 3, 4 h, 4 w), about -1..1."""
        latents = drawn(self, small, told, sampling, noise, on_step)
        return decoded(self.pipeline.vae, latents, sampling.tile, self.multiple, SCALE)


@torch.inference_mode()
def enlarged(
    sd: Any, frames: Frames, prompt: str, sampling: Sampling, on_step: OnStep, noise: Noise | None = None
) -> Iterator[np.ndarray]:
    """Each frame larger: uint8 RGB (h, w, 3) -> (scale h, scale w, 3). noise: instead of that of the seed.

    sd: a LoadedSd or latent.LoadedLatent
    """
    told = sd.told(prompt, sampling.guidance > 1)
    for index, frame in enumerate(frames):
        height, width = frame.shape[:2]
        multiple = sd.multiple
        right, below = (max(sd.least, side + -side % multiple) - side for side in (width, height))
        small = F.pad(to_unit(frame[None]), (0, right, 0, below), mode="replicate")
        given = noise or sd.noise(*small.shape[-2:], sampling.seed)

        def on_part(done: int, total: int, before: int = index) -> None:
            on_step(before * total + done, total * len(frames))

        made = sd.larger(small, told, sampling, given, on_part)[0, :, : height * sd.scale, : width * sd.scale]
        yield (made.clamp(-1, 1) / 2 + 0.5).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()


def drawn(sd: LoadedSd, small: Tensor, told: Tensor, sampling: Sampling, noise: Noise, on_step: OnStep) -> Tensor:
    """The latents of a frame (1, 3, h, w) in -1..1: (1, channels, h, w)."""
    pipeline, guided = sd.pipeline, sampling.guidance > 1
    scheduler = copy.deepcopy(pipeline.scheduler)  # those of many steps remember the frame before
    scheduler.set_timesteps(sampling.steps, device=sd.device)
    level = torch.tensor([sampling.noise_level], device=sd.device)
    small = small.to(sd.device, sd.dtype)
    given = pipeline.low_res_scheduler.add_noise(small, noise.on_frame.to(small), level)
    latents = noise.to_draw.to(small) * scheduler.init_noise_sigma
    extra = {"eta": 0.0} if "eta" in inspect.signature(scheduler.step).parameters else {}
    places = list(tiles(*small.shape[-2:], sampling.tile, sd.multiple))
    copies = 2 if guided else 1
    for number, time in enumerate(scheduler.timesteps):
        asked = torch.cat([scheduler.scale_model_input(latents, time), given], dim=1)
        said, weight = torch.zeros_like(latents), torch.zeros_like(latents[:, :1])
        for part, (seen, counts) in enumerate(places):
            cells = (..., slice(seen.top, seen.bottom), slice(seen.left, seen.right))
            answer = pipeline.unet(
                asked[cells].repeat(copies, 1, 1, 1), time, encoder_hidden_states=told,
                class_labels=level.repeat(copies), return_dict=False,
            )[0]  # fmt: skip
            if guided:
                plain, wanted = answer.chunk(2)
                answer = plain + sampling.guidance * (wanted - plain)
            said[cells] += answer * counts.to(answer)
            weight[cells] += counts.to(answer)
            on_step(number * len(places) + part + 1, len(scheduler.timesteps) * len(places))
        latents = scheduler.step(said / weight, time, latents, **extra, return_dict=False)[0]
    return latents


def decoded(vae: Any, latents: Tensor, tile: int, multiple: int, factor: int) -> Tensor:
    """The picture of latents, float32 (1, 3, factor h, factor w) about -1..1; tiles fade into each other.

    tile: latents a side; multiple: what their sides are divided by; factor: pixels of a latent
    """
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    height, width = latents.shape[-2:]
    made = torch.zeros((1, 3, height * factor, width * factor), device=latents.device)
    weight = torch.zeros_like(made[:, :1])
    for seen, counts in tiles(height, width, tile, multiple):
        picture = vae.decode(latents[..., seen.top : seen.bottom, seen.left : seen.right], return_dict=False)[0]
        counts = F.interpolate(counts[None, None], scale_factor=factor, mode="bilinear").to(made)
        where = (
            ...,
            *(slice(near * factor, far * factor) for near, far in ((seen.top, seen.bottom), (seen.left, seen.right))),
        )
        made[where] += picture.float() * counts
        weight[where] += counts
    return made / weight


def tiles(height: int, width: int, tile: int, multiple: int) -> Iterator[tuple[Box, Tensor]]:
    """What each tile sees, and what it counts there, float32 (rows, columns), less towards its neighbours."""
    around = max(multiple, tile // OVERLAP)
    own = tile if max(height, width) <= tile else max(multiple, tile - 2 * around)
    for window in cover(height, width, own, own, around, multiple):
        seen, mine = window.seen, window.own
        down = ramp(seen.top, mine.top, mine.bottom, seen.bottom)
        across = ramp(seen.left, mine.left, mine.right, seen.right)
        yield seen, torch.from_numpy(down[:, None] * across[None])
