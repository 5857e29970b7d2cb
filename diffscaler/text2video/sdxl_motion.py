"""The networks of SDXL with temporal layers: Hotshot-XL and AnimateDiff-SDXL."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import ModelNotFound
from diffscaler.text2video.bypass import bypass_temporal
from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.folder import open_pipeline, said_what_is_wrong
from diffscaler.text2video.hotshot.controlnet import Residuals, residuals, scales_at
from diffscaler.text2video.hotshot.norms import norm_mode
from diffscaler.text2video.hotshot.unet import check_num_frames, load_adapted, load_hotshot
from diffscaler.text2video.motion import MotionFamily, Network, to_numpy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: What Hotshot-XL's own program tells the network, width first: size of the footage, corner of the crop, size wanted.
HOTSHOT_SIZES = (1920, 1080, 0, 0, 512, 512)

TEXT = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


class SdxlMotion(MotionFamily):
    """Two text encoders, pooled words and sizes as further conditions."""

    @classmethod
    def load(cls, path: Path, device: Any) -> SdxlMotion:
        """Load a folder in Hotshot-XL's format or the library's. Raises ModelNotFound."""
        dtype = getattr(torch, device.dtype)
        kind = unet_class(path)
        if kind == "UNet3DConditionModel":
            unet = load_hotshot(path / "unet", dtype)
            with said_what_is_wrong(path):
                return cls(hotshot_pipeline(path, unet, dtype), device, path)
        parts: dict[str, Any] = {"motion_adapter": None}
        if kind == "UNet2DConditionModel":
            # The library would put the two together without the layers that read pooled words and sizes.
            parts["unet"] = load_adapted(path / "unet", temporal_layers(path), dtype)
        return open_pipeline(
            path, "AnimateDiffSDXLPipeline", device.dtype, lambda pipeline: cls(pipeline, device, path), **parts
        )

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """float32: the words (1, tokens, width) and, pooled, (1, width), both also for what must not appear."""
        with self.frugal.encoders():
            found = self.pipeline.encode_prompt(
                prompt, device=self.device, num_videos_per_prompt=1, do_classifier_free_guidance=True,
                negative_prompt=negative_prompt or None,
            )  # fmt: skip
        return {name: to_numpy(value) for name, value in zip(TEXT, found, strict=True)}

    def network(self, text: dict[str, Array], sampling: Sampling, guidance: bool) -> Network:
        unet = self.pipeline.unet
        check_num_frames(unet, self.frugal.window(sampling.window, sampling.num_frames) or sampling.num_frames)
        halves = ("negative_", "") if guidance else ("",)
        words, pooled = (
            torch.cat([torch.from_numpy(text[f"{half}{name}"]) for half in halves]).to(self.device, self.dtype)
            for name in ("prompt_embeds", "pooled_prompt_embeds")
        )
        sizes = torch.tensor([self.sizes(sampling)] * len(halves), device=self.device, dtype=self.dtype)
        # Hotshot-XL draws a single frame with its image layers alone.
        alone = bypass_temporal if sampling.num_frames == 1 and norm_mode(unet) == "hotshot" else None

        def run(latents: torch.Tensor, timestep: torch.Tensor, frames: Sequence[int], step: int) -> torch.Tensor:
            added = {"text_embeds": pooled, "time_ids": sizes}
            skips, middle = self.led(sampling, latents, timestep, words, added, frames, step)
            with alone(unet) if alone else nullcontext():
                return unet(
                    latents,
                    timestep,
                    encoder_hidden_states=words.repeat_interleave(len(frames), dim=0),
                    added_cond_kwargs=added,
                    down_block_additional_residuals=skips,
                    mid_block_additional_residual=middle,
                ).sample

        return run

    def led(
        self,
        sampling: Sampling,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        words: torch.Tensor,
        added: dict[str, torch.Tensor],
        frames: Sequence[int],
        step: int,
    ) -> Residuals:
        """What the ControlNet of a request adds at this step to these frames."""
        control = sampling.control
        if control is None:
            return None, None
        scales = scales_at(step, sampling.steps_taken, [control.scale], [control.start], [control.end])
        pictures = torch.from_numpy(control.frames[frames[0] : frames[-1] + 1]).permute(0, 3, 1, 2).float() / 255
        led = [pictures.to(self.device, self.dtype)]
        return residuals([control.controlnet], latents, timestep, words, added, led, scales)

    def sizes(self, sampling: Sampling) -> tuple[int, ...]:
        """The six numbers SDXL is told: size of the original, top left of the crop, size of the result."""
        if norm_mode(self.pipeline.unet) == "hotshot":
            return HOTSHOT_SIZES
        # Stability's order: height first.
        size = (sampling.height, sampling.width)
        return (*size, 0, 0, *size)


def temporal_layers(path: Path) -> Path:
    """Where the temporal layers of an image model's folder lie: in it, or in the model beside it that its model.toml
    names (`temporal = "hotshot-xl"`). Raises ModelNotFound."""
    about = path / "model.toml"
    try:
        name = tomllib.loads(about.read_text(encoding="utf-8")).get("temporal") if about.exists() else None
    except (OSError, ValueError) as error:
        raise ModelNotFound(f"The model.toml of {path.name} cannot be read.", "Mend it, or remove it.") from error
    if name is None:
        return path / "motion_adapter"
    beside = path.parent / str(name)
    if Path(str(name)).name != name or not beside.is_dir():
        raise ModelNotFound(
            f"{path.name} takes its temporal layers from {str(name)[:60]!r}, which is not installed.",
            'Give the name of a folder beside it: temporal = "hotshot-xl".',
        )
    return next((beside / part for part in ("motion_adapter", "unet") if (beside / part).is_dir()), beside)


def hotshot_pipeline(path: Path, unet: Any, dtype: torch.dtype) -> Any:
    """The library's pipeline around a Hotshot-XL folder, whose model_index.json names classes the library has not."""
    import diffusers
    from diffusers import AnimateDiffSDXLPipeline, AutoencoderKL, SchedulerMixin
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    own = json.loads((path / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    scheduler = getattr(diffusers, str(own["_class_name"]), None)
    if not (isinstance(scheduler, type) and issubclass(scheduler, SchedulerMixin)):
        raise ValueError(f"{own['_class_name']!r} is no scheduler")
    weights: dict[str, Any] = {"local_files_only": True, "dtype": dtype, "use_safetensors": True}
    return AnimateDiffSDXLPipeline(
        vae=AutoencoderKL.from_pretrained(path / "vae", **weights),
        text_encoder=CLIPTextModel.from_pretrained(path / "text_encoder", **weights),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(path / "text_encoder_2", **weights),
        tokenizer=CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True),
        tokenizer_2=CLIPTokenizer.from_pretrained(path / "tokenizer_2", local_files_only=True),
        unet=unet,
        motion_adapter=None,
        scheduler=scheduler.from_pretrained(path / "scheduler", local_files_only=True),
    )


def unet_class(path: Path) -> str:
    """The class a folder's U-Net was saved by. Raises ModelNotFound."""
    try:
        return str(json.loads((path / "unet" / "config.json").read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(f"The model in {path.name} cannot be loaded: it has no U-Net.", "Add it again.") from error
