"""Tune-A-Video: an image model that learnt one clip draws it again with other words. Wu et al. 2023.

A model's folder is the image model's, and one_shot.safetensors: the tuned tensors, and the noise that the clip itself
comes from (inversion.py).
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.text2video.animatediff import AnimateDiff
from diffscaler.text2video.family import Array, OnStep, Sampling
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.frame_attention import (
    add_temporal_tails,
    first_and_previous,
    joint_norms,
    looking_at,
    temporal_tails,
)
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.inversion import Walk, redrawn
from diffscaler.text2video.motion import to_numpy

FILE_NAME, NOISE = "one_shot.safetensors", "inverted"

#: Of the pipelines an image model may have.
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")

#: Names of what is trained, as parts of a parameter's name.
TUNED = (".attn1.to_q.", ".attn2.to_q.", ".attn_temp.")


def is_tuned(name: str) -> bool:
    """Whether a parameter is one of those Tune-A-Video trains (its section 4.2)."""
    return any(part in name for part in TUNED)


@contextmanager
def as_video(unet: torch.nn.Module, num_frames: int) -> Generator[None, None, None]:
    """Inside, an image U-Net with temporal tails draws clips: frames of a clip are neighbours in its batch."""
    with ExitStack() as stack:
        stack.enter_context(looking_at(unet, first_and_previous(num_frames)))
        stack.enter_context(joint_norms(unet, num_frames))
        stack.enter_context(temporal_tails(unet, num_frames))
        yield


def predicted(unet: Any, noisy: torch.Tensor, timesteps: torch.Tensor, words: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the network says of clips (B, C, F, h, w), inside `as_video`.

    timesteps: int64 (B,); words: text (B, tokens, width), for SDXL also pooled (B, width) and sizes (B, 6)
    """
    frames = noisy.shape[2]

    def each(rows: torch.Tensor) -> torch.Tensor:
        return rows.repeat_interleave(frames, dim=0)

    added = {"text_embeds": each(words["pooled"]), "time_ids": each(words["sizes"])} if "pooled" in words else None
    found = unet(
        noisy.transpose(1, 2).flatten(0, 1), each(timesteps), encoder_hidden_states=each(words["text"]),
        added_cond_kwargs=added,
    ).sample  # fmt: skip
    return found.unflatten(0, (len(noisy), frames)).transpose(1, 2)


class OneShot(AnimateDiff):
    """A tuned image model. What it draws is its own clip with the words of the prompt; chance has no part in it."""

    windows = False
    note = "Draws the one clip it learnt with your words; the seed changes nothing."

    @classmethod
    def load(cls, path: Path, device: Any) -> OneShot:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        return open_pipeline(
            path, pipeline_class(path), device.dtype, lambda pipeline: cls(pipeline, device, path),
            safety_checker=None, feature_extractor=None,
        )  # fmt: skip

    def __init__(self, pipeline: Any, device: Any, path: Path) -> None:
        from safetensors.torch import load_file

        unet = pipeline.unet
        add_temporal_tails(unet)
        tuned = load_file(path / FILE_NAME)
        self.noise_of_clip = tuned.pop(NOISE).float()
        own = dict(unet.named_parameters())
        if {name for name in own if is_tuned(name)} != set(tuned):
            raise ValueError(f"{FILE_NAME} holds other tensors than this model has")
        with torch.no_grad():
            for name, tensor in tuned.items():
                own[name].copy_(tensor)
        super().__init__(pipeline, device, path)
        self.sdxl = unet.config.get("addition_embed_type") == "text_time"

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """As AnimateDiff's; for SDXL also the pooled words."""
        if not self.sdxl:
            return super().encode_text(prompt, negative_prompt)
        with self.frugal.encoders():
            found = self.pipeline.encode_prompt(
                prompt, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=True,
                negative_prompt=negative_prompt or None,
            )  # fmt: skip
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        return {name: to_numpy(value) for name, value in zip(names, found, strict=True)}

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        noise, factor = self.noise_of_clip, self.pipeline.vae_scale_factor
        frames, height, width = noise.shape[1], noise.shape[2] * factor, noise.shape[3] * factor
        if (sampling.width, sampling.height) != (width, height) or sampling.num_frames > frames:
            raise InvalidRequest(
                f"This model draws its own clip: {width} by {height} pixels, at most {frames} frames.",
                f"Ask for that size, and {frames} frames or fewer.",
            )
        walk = Walk.of(self.pipeline.scheduler, sampling.num_inference_steps)
        halves = ("negative_", "") if sampling.guidance_scale > 1 else ("",)
        words = {"text": self.rows(text, "prompt_embeds", halves)}
        if self.sdxl:
            words["pooled"] = self.rows(text, "pooled_prompt_embeds", halves)
            size = torch.tensor([height, width, 0, 0, height, width], device=self.device, dtype=self.dtype)
            words["sizes"] = size.expand(len(halves), 6)

        def predict(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            given = torch.cat([x] * len(halves)).to(self.dtype)
            times = timestep.to(self.device).expand(len(given))
            parts = predicted(self.pipeline.unet, given, times, words).float().chunk(len(halves))
            return guided(*parts, sampling.guidance_scale, sampling.guidance_rescale) if len(parts) == 2 else parts[0]

        with as_video(self.pipeline.unet, sampling.num_frames):
            latents = redrawn(
                noise[None, :, : sampling.num_frames].to(self.device), walk, predict,
                lambda i, clean: on_step(i + 1, len(walk), to_numpy(clean)[0]),
            )  # fmt: skip
        return to_numpy(latents)[0]

    def rows(self, text: dict[str, Array], name: str, halves: tuple[str, ...]) -> torch.Tensor:
        """Words of both halves of guidance, one row each."""
        return torch.cat([torch.from_numpy(text[f"{half}{name}"]) for half in halves]).to(self.device, self.dtype)


def pipeline_class(path: Path) -> str:
    """The pipeline of an image model's folder. Raises ModelNotFound for another kind."""
    try:
        name = str(json.loads((path / "model_index.json").read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(f"{path.name} is not a diffusers folder.", "It needs a model_index.json.") from error
    if name not in PIPELINES:
        raise ModelNotFound(f"{path.name} is a {name[:60]}, not an image model.", "Use Stable Diffusion or SDXL.")
    return name
