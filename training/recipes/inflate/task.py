"""The recipe "inflate": what is loaded, what learns, and the ModelScope folder it ends as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffscaler.errors import DiffScalerError
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.modelscope import ModelScope
from training.events import RunError
from training.finetune.clip_task import ClipTask
from training.finetune.source import Bench, find_model
from training.recipes.inflate.network import HINT, inflated
from training.recipes.inflate.options import InflateRun
from training.recipes.model_card import noise_said, title_of, without_paths, write_card
from training.task import Batch, Place

#: Of a ModelScope pipeline; an image model's folder may hold more.
PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")

#: Where the configuration names none: the family's own.
GUIDANCE = 9.0


class InflateTask(ClipTask):
    """Singer et al. 2022, section 3: the spatial layers of an image model stay, temporal ones learn from clips."""

    config: InflateRun
    #: Make-A-Video's point: pictures teach the words, and clips, which need none, how things move.
    captions_needed = False

    def __init__(self, config: InflateRun, place: Place) -> None:
        if config.gradient_checkpointing:
            raise RunError("This network cannot recompute its steps.", "Turn gradient checkpointing off.")
        self.spec = find_model(config.pretrained_model_name_or_path)
        assert self.spec.path is not None
        self.family = open_inflated(self.spec.path, config, place)
        super().__init__(config, place, self.family.pipeline, self.family.pipeline.unet, sdxl=False)
        self.texts: dict[str, Any] = {}
        if config.validate_every_steps and place.process == 0:
            self.texts = {prompt: self.family.encode_text(prompt, "") for prompt in config.prompts or self.prompts()}
        self.first_pass()

    def prompts(self) -> Sequence[str]:
        return super().prompts() or [""]

    def predict(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        return self.unet(noisy, timesteps, encoder_hidden_states=batch["text"], return_dict=False)[0]

    def shared_noise(self) -> float:
        return self.config.shared_noise

    @property
    def size(self) -> tuple[int, int, int]:
        """Width and height in pixels and frames of a clip that was trained on."""
        first = self.examples[0]
        return first.width, first.height, len(first.frames)

    def sample(self, prompt: str, seed: int) -> np.ndarray | None:
        config = self.config
        guidance = config.validation_guidance or GUIDANCE
        sampling = Sampling(
            *self.size, config.validation_steps, guidance, seed, shared_noise=config.shared_noise or None
        )
        return self.family.decode(self.family.denoise(self.texts[prompt], sampling, lambda *_: None))

    def export(self, folder: Path) -> None:
        """A whole ModelScope folder: the U-Net, and the rest as it was."""
        from training.finetune.about import TERMS
        from training.finetune.export import take_over

        source = self.spec.path
        assert source is not None
        index = json.loads((source / "model_index.json").read_text(encoding="utf-8"))
        others = tuple(path.name for path in source.iterdir() if path.is_dir() and path.name not in PARTS)
        take_over(source, folder, ("unet", *others))
        self.unet.save_pretrained(str(folder / "unet"))  # type: ignore[operator]
        index = {name: index[name] for name in PARTS} | {
            "_class_name": "TextToVideoSDPipeline",
            "_diffusers_version": index.get("_diffusers_version", ""),
            "unet": ["diffusers", "UNet3DConditionModel"],
        }
        (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        without_paths(folder)
        width, height, frames = self.size
        native = {"width": width, "height": height, "num_frames": frames, "fps": round(self.config.fps)}
        licence = f"{self.spec.licence}; {TERMS}"
        about = {"description": f"Inflated from {self.spec.title}."} | noise_said(self.config.shared_noise)
        write_card(folder, title_of(self.config.output_dir), {"native": native}, licence=licence, **about)


def open_inflated(folder: Path, config: InflateRun, place: Place) -> ModelScope:
    """The studio's own family over an image model's parts, its U-Net inflated and on the device, in training form.

    Raises RunError for a folder that is no image model, or one that cannot be inflated.
    """
    try:
        row = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["unet"]
    except (OSError, ValueError, KeyError, TypeError):
        row = None
    if row != ["diffusers", "UNet2DConditionModel"]:
        raise RunError(f"{folder.name} is no image model that can be inflated.", HINT)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(config.seed)
        try:
            bench = Bench.of(place)
            return open_pipeline(
                folder,
                "StableDiffusionPipeline",
                bench.dtype,
                lambda pipeline: video_family(pipeline, Bench(bench.torch_name, "float32"), folder),
                ("vae", "unet"),
            )
        except DiffScalerError as error:
            raise RunError(str(error), error.hint) from error


def video_family(pipeline: Any, device: Bench, folder: Path) -> ModelScope:
    """ModelScope's class over the parts of an image pipeline."""
    from diffusers import TextToVideoSDPipeline

    unet = inflated(pipeline.unet)
    learning = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    parts = {name: getattr(pipeline, name) for name in PARTS if name != "unet"}
    video = TextToVideoSDPipeline(unet=unet, **parts)
    video.set_progress_bar_config(disable=True)
    family = ModelScope(video, device, folder)  # which freezes whatever it draws with
    for parameter in learning:
        parameter.requires_grad_(True)
    return family
