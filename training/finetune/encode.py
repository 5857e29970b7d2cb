"""Clips and captions as a network takes them: encoded on the first pass, kept by content, shared between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffscaler.text2video.motion import takes, to_sample
from training.cache import TensorCache, Tensors, digest_of
from training.events import RunError
from training.finetune.examples import Example, read_example
from training.finetune.options import FineTuneConfig
from training.task import Place

#: Changes when what is cached, or how it is made, does.
VERSION = 1

#: Encoded things between two signs of life.
PER_EVENT = 8

#: What most pipelines call the number of copies of a prompt.
COUNT = "num_images_per_prompt"

ENCODERS = ("text_encoder", "text_encoder_2")


class Encoder:
    """pipeline: a diffusers pipeline, used for its VAE, tokenizers and text encoders; sdxl: whether it has two.

    The text of "" is what guidance takes for "no words" when this pipeline draws.
    """

    def __init__(self, pipeline: Any, sdxl: bool, config: FineTuneConfig, place: Place, cache: TensorCache) -> None:
        self.pipeline, self.sdxl, self.config, self.place, self.cache = pipeline, sdxl, config, place, cache
        # Encoders overflow in half precision; in 32 bits unless the configuration says otherwise.
        pipeline.vae.to(place.device, torch.bfloat16 if config.vae_b16 else torch.float32)
        self.released = False
        self.vae_digest = digest_of(pipeline.vae)
        self.text_digest = digest_of(*(getattr(pipeline, name) for name in ENCODERS if hasattr(pipeline, name)))

    def first_pass(self, examples: Sequence[Example], captions: Sequence[str]) -> None:
        """Encode what a run will need and give the memory of the text encoders back. With several processes each one
        does its share; what it then still lacks it makes for itself."""
        jobs: list[Any] = [*dict.fromkeys(["", *captions]), *(examples if not self.config.augment else ())]
        share = jobs[self.place.process :: self.place.processes]
        for done, job in enumerate(share):
            if isinstance(job, str):
                self.words(job)
            else:
                self.latents(job)
            if done % PER_EVENT == 0 or done + 1 == len(share):
                self.place.preparing("encoding", done + 1, len(share))

    def release(self) -> None:
        """Drop the text encoders; captions must be cached by now. Sampling needs the VAE, so that one stays."""
        self.released = True
        for name in ENCODERS:
            if hasattr(self.pipeline, name):
                setattr(self.pipeline, name, None)

    def latents(self, example: Example, at: tuple[float, float] | None = None) -> Tensors:
        """mean, std: float32 (C, F, h, w), scaled as the network wants them; facts: int64 (6,), width and height of the
        footage, left and top of the crop, width and height of the bucket. at: place of a crop that is not kept."""
        if at is not None:
            return self._encode(example, at)
        shot = example.shot
        frames = [shot.start + index for index in example.frames]
        made_of = ["latents", VERSION, self.vae_digest, shot.key, frames, example.width, example.height]
        return self.cache.get(made_of, lambda: self._encode(example, (0.5, 0.5)))

    def words(self, caption: str) -> Tensors:
        """text: float32 (tokens, width); for SDXL also pooled: float32 (width,)."""
        return self.cache.get(["text", VERSION, self.text_digest, caption], lambda: self._read(caption))

    @torch.no_grad()
    def _encode(self, example: Example, at: tuple[float, float]) -> Tensors:
        cropped, vae = read_example(example, at), self.pipeline.vae
        frames = to_sample(cropped.frames).to(self.place.device, vae.dtype)
        spread = [vae.encode(part).latent_dist for part in frames.split(self.config.max_vae_encode or len(frames))]
        scale, shift = vae.config.scaling_factor, getattr(vae.config, "shift_factor", None) or 0.0
        mean = (torch.cat([s.mean for s in spread]).float() - shift) * scale
        std = torch.cat([s.std for s in spread]).float() * scale
        if self.config.latent_nan_checking and not (mean.isfinite().all() and std.isfinite().all()):
            raise RunError(
                f"{example.shot.path.name} is encoded as something that is no number.",
                "Take it out, or encode in 32 bits (vae_b16 = false).",
            )
        facts = torch.tensor([*cropped.size, *cropped.corner, example.width, example.height])
        return {"mean": mean.transpose(0, 1), "std": std.transpose(0, 1), "facts": facts}

    @torch.no_grad()
    def _read(self, caption: str) -> Tensors:
        if self.released:
            raise RunError("An encoded caption has gone from the cache.", "Start the run again: it is encoded anew.")
        count = "num_videos_per_prompt" if takes(self.pipeline.encode_prompt, "num_videos_per_prompt") else COUNT
        found = self.pipeline.encode_prompt(
            caption, device=self.place.device, do_classifier_free_guidance=True,
            negative_prompt=None if self.sdxl else "", **{count: 1},
        )  # fmt: skip
        text, nothing, *pooled = found
        words = {"text": (text if caption else nothing)[0].float()}
        if pooled:
            words["pooled"] = pooled[0 if caption else 1][0].float()
        return words


def stacked(parts: Sequence[Tensors], device: torch.device) -> dict[str, Tensor]:
    """Tensors of several clips as one batch on a device."""
    return {name: torch.stack([part[name] for part in parts]).to(device) for name in parts[0]}


def drawn_caption(example: Example, rng: np.random.Generator, dropout: float) -> str:
    """One of the captions of a clip, or none of them."""
    captions = example.shot.captions
    return "" if not captions or rng.random() < dropout else captions[int(rng.integers(len(captions)))]
