"""A model with temporal layers, opened to be trained: Hotshot-XL, AnimateDiff-SDXL, AnimateDiff and those like them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffscaler.errors import DiffScalerError
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import native_sampling
from diffscaler.text2video.hotshot import keys
from diffscaler.text2video.hotshot.files import read_weights
from diffscaler.text2video.hotshot.norms import norm_mode
from diffscaler.text2video.hotshot.unet import max_frames
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.motion import MotionFamily
from training.blocks import compile_blocks
from training.compute import need_compiler
from training.events import RunError
from training.finetune.options import FineTuneConfig
from training.finetune.source import Bench, find_model
from training.mini.unet import plain_attention
from training.snapshot import copy_into
from training.task import Place

FAMILIES = ("sdxl_motion", "animatediff")


class MotionModel:
    """spec: the model begun with; family: it, loaded, as the studio draws with it."""

    def __init__(self, spec: ModelSpec, family: MotionFamily) -> None:
        self.spec, self.family = spec, family
        self.sdxl = spec.family is not None and spec.family.name == "sdxl_motion"
        # Hotshot-XL was told widths first, SDXL heights.
        self.width_first = norm_mode(family.pipeline.unet) == "hotshot"

    @classmethod
    def open(cls, config: FineTuneConfig, place: Place) -> MotionModel:
        """Load the model a configuration names. Raises RunError."""
        spec = find_model(config.pretrained_model_name_or_path)
        if spec.family is None or spec.family.name not in FAMILIES:
            kind = spec.family.title if spec.family else "something else"
            raise RunError(
                f"{spec.title} has no temporal layers that can be trained here: it is {kind}.",
                "Choose Hotshot-XL, AnimateDiff, or a model trained from them.",
            )
        try:
            family: Any = load_pipeline(spec, Bench.of(place))
        except DiffScalerError as error:
            raise RunError(error.message, error.hint) from None
        model = cls(spec, family)
        if config.num_frames > (most := max_frames(model.unet)):
            raise RunError(f"{spec.title} holds at most {most} frames at once, not {config.num_frames}.", "Use fewer.")
        ready_to_train(model.unet, place)
        if config.gradient_checkpointing:
            model.unet.enable_gradient_checkpointing()
        if config.xformers:
            if find_spec("xformers") is None:
                raise RunError("xformers is not installed.", "Leave it off: torch's own attention is as fast.")
            model.unet.enable_xformers_memory_efficient_attention()
        compile_where_asked(model.unet, config, place)
        return model

    @property
    def unet(self) -> Any:
        return self.family.pipeline.unet

    def load_temporal(self, path: Path) -> None:
        """Begin with the temporal tensors of a file or folder, under Hotshot-XL's names or diffusers'. Raises
        RunError."""
        try:
            stored = read_weights(path).state
            named = keys.to_library(stored) if keys.is_hotshot(stored) else stored
            layers = {name: tensor for name, tensor in named.items() if keys.is_temporal(name)}
            own = {name: tensor for name, tensor in self.unet.state_dict().items() if keys.is_temporal(name)}
            copy_into(own, layers)
        except (DiffScalerError, ValueError) as error:
            raise RunError(
                f"The temporal layers in {path.name} do not fit {self.spec.title}: {error}.",
                "Use those of a model of the same size.",
            ) from None

    def predict(self, noisy: Tensor, timesteps: Tensor, batch: dict[str, Any]) -> Tensor:
        """The U-Net on clips (B, C, F, h, w) with the words of each one. batch: text, for SDXL also pooled and facts"""
        rows = batch["text"].repeat_interleave(noisy.shape[2], dim=0)
        added = None
        if self.sdxl:
            added = {"text_embeds": batch["pooled"], "time_ids": time_ids(batch["facts"], self.width_first)}
        return self.unet(noisy, timesteps, encoder_hidden_states=rows, added_cond_kwargs=added).sample

    def draw(
        self, text: dict[str, Any], config: FineTuneConfig, size: tuple[int, int], seed: int, place: Place
    ) -> np.ndarray:
        """A clip as the studio would draw it: uint8 RGB (F, H, W, 3). text: as the family's `encode_text` gives it."""
        own = native_sampling(self.spec.native, seed)
        sampling = replace(
            own, width=size[0], height=size[1], num_frames=config.num_frames,
            num_inference_steps=min(config.validation_steps, own.num_inference_steps) if self.guided
            else config.validation_steps,
            guidance_scale=config.validation_guidance or own.guidance_scale,
        )  # fmt: skip
        lower = place.lower != torch.float32
        with torch.autocast(place.device.type, place.lower) if lower else nullcontext():
            return self.family.decode(self.family.denoise(text, sampling, lambda *_: None))

    @property
    def guided(self) -> bool:
        """Whether it was distilled to few steps."""
        return self.spec.traits.guided


def time_ids(facts: Tensor, width_first: bool) -> Tensor:
    """SDXL's six numbers: size of the footage, corner of the crop, size of the picture. facts: int64 (B, 6) as
    Encoder.latents gives them, widths and lefts first."""
    order = [0, 1, 2, 3, 4, 5] if width_first else [1, 0, 3, 2, 5, 4]
    return facts[:, order].float()


def ready_to_train(unet: nn.Module, place: Place) -> None:
    """Memory layout and attention for the backward pass. On a CPU, torch 2.13 crashes in the backward pass of a
    convolution whose weights are in channels_last and do not train, and its fused attention is the slower one."""
    if place.device.type == "cpu":
        unet.to(memory_format=torch.contiguous_format)
        plain_attention(unet)


def compile_where_asked(unet: nn.Module, config: FineTuneConfig, place: Place) -> None:
    """Raises RunError when it cannot be compiled and shall; a run that learns nothing is not compiled."""
    if config.compile and place.learns:
        need_compiler(place.device.type)
        compile_blocks(unet)


def only_temporal(unet: nn.Module) -> None:
    """Let the parameters of the temporal layers train, and nothing else."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(keys.is_temporal(name))


def temporal_in_32_bits(unet: nn.Module) -> None:
    """Small updates are lost in 16 bits."""
    for name, module in unet.named_modules():
        if name.endswith(".motion_modules"):
            module.float()
