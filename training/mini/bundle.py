"""The parts of a model, together in one diffusers folder."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AnimateDiffPipeline, AutoencoderKL, UNet2DConditionModel, UNetMotionModel
from transformers import CLIPTextModel, CLIPTokenizer

from diffscaler.text2video.mirror import Sides
from diffscaler.text2video.noise import read_shared_noise, write_shared_noise
from diffscaler.text2video.vocabulary import vocabulary_of
from training.mini.diffusion import build_scheduler
from training.mini.unet import add_motion


@dataclass
class Bundle:
    """A model in the making. `unet` has temporal layers from the motion stage on."""

    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel | UNetMotionModel
    #: How much of the noise the frames of a clip share.
    shared_noise: float = 0.0
    #: The words of whose sides the second is drawn in the mirror; None where both are known.
    sides: Sides | None = None
    #: Whether guidance was built into the weights it started from.
    guided: bool = False

    def modules(self) -> dict[str, torch.nn.Module]:
        """The trainable parts, by folder name."""
        return {"vae": self.vae, "text_encoder": self.text_encoder, "unet": self.unet}

    def save(self, folder: Path) -> None:
        """Write every part in float32, as a checkpoint needs it."""
        for name, module in self.modules().items():
            contiguous(module).save_pretrained(folder / name)
        self.tokenizer.save_pretrained(folder / "tokenizer")
        write_shared_noise(folder, self.shared_noise)

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read a folder written by `save` or `export`, in float32. Raises OSError when a part is missing."""
        name = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))["_class_name"]
        kind: Any = UNetMotionModel if name == "UNetMotionModel" else UNet2DConditionModel
        return cls(
            AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32),
            CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32),
            CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            kind.from_pretrained(folder / "unet", torch_dtype=torch.float32),
            read_shared_noise(folder),
            known.mirror if (known := vocabulary_of(folder)) else None,
        )

    def pipeline(self) -> AnimateDiffPipeline:
        """These parts as a pipeline; an image U-Net gets temporal layers that do nothing."""
        unet = self.unet if isinstance(self.unet, UNetMotionModel) else add_motion(self.unet).to(self.unet.device)
        return AnimateDiffPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=unet,
            motion_adapter=None,
            scheduler=build_scheduler(),
            feature_extractor=None,
            image_encoder=None,
        )

    def export(self, folder: Path) -> None:
        """Write a complete AnimateDiffPipeline folder in float16."""
        parts = {
            name: contiguous(copy.deepcopy(module)).to(torch.float16).eval()
            for name, module in replace(self, unet=self.pipeline().unet).modules().items()
        }
        Bundle(tokenizer=self.tokenizer, **parts).pipeline().save_pretrained(folder)
        write_shared_noise(folder, self.shared_noise)
        for file in folder.glob("*/config.json"):
            # The library writes down where a part was loaded from: a path of this machine, and no use elsewhere.
            config = json.loads(file.read_text(encoding="utf-8"))
            config.pop("_name_or_path", None)
            file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def contiguous(module: torch.nn.Module) -> torch.nn.Module:
    """The module with plain memory layout: safetensors cannot store channels_last."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.contiguous()
    return module
