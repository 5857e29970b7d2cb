"""Writes a fine-tuned model as a folder the studio draws with: the new U-Net, and all else as it was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffscaler.errors import DiffScalerError
from diffscaler.text2video.export import motion_unet
from diffscaler.text2video.hotshot import keys
from diffscaler.text2video.hotshot.norms import norm_mode
from diffscaler.text2video.hotshot.unet import export_hotshot
from training.events import RunError
from training.finetune.about import write_about
from training.finetune.motion_model import MotionModel
from training.finetune.options import FineTuneConfig

#: Parts of a folder that are written anew.
REPLACED = ("unet", "motion_adapter")


def write_model(model: MotionModel, config: FineTuneConfig, folder: Path) -> None:
    """Write a model with the present temporal layers into an empty folder.

    Spatial weights are those of the original's files, not their rounded copies that training may hold; temporal ones
    take the number format of those files. Raises RunError when the original has gone.
    """
    source = model.spec.path
    assert source is not None
    try:
        unet = motion_unet(source)
    except DiffScalerError as error:
        raise RunError(error.message, error.hint) from None
    with torch.no_grad():
        own = unet.state_dict()
        for name, tensor in model.unet.state_dict().items():
            if keys.is_temporal(name):
                own[name].copy_(tensor)
    take_over(source, folder, REPLACED)
    index = json.loads((source / "model_index.json").read_text(encoding="utf-8"))
    if norm_mode(unet) == "hotshot":
        # Its norms count otherwise than the library's; only its own format says so.
        export_hotshot(unet, folder)
        index |= {"_class_name": "HotshotXLPipeline", "unet": ["hotshot_xl.models.unet", "UNet3DConditionModel"]}
        index.pop("motion_adapter", None)
    else:
        unet.save_pretrained(folder / "unet")
        kind = "AnimateDiffSDXLPipeline" if model.sdxl else "AnimateDiffPipeline"
        index |= {"_class_name": kind, "unet": ["diffusers", "UNetMotionModel"], "motion_adapter": [None, None]}
    write_json(folder / "model_index.json", index)
    without_paths(folder / "unet" / "config.json")
    say_prediction(folder, config.prediction_type)
    size = (config.resolution, config.resolution)
    write_about(folder, model.spec, config, size)


def take_over(source: Path, folder: Path, but: tuple[str, ...]) -> None:
    """Put the parts of a model's folder, except some, into another: as links to the same bytes where the disk can, for
    text encoders take gigabytes and never change."""
    for path in sorted(source.iterdir()):
        if path.is_dir() and path.name not in but and not path.name.startswith("."):
            for file in (p for p in path.rglob("*") if p.is_file()):
                target = folder / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(file.resolve(), target)
                except OSError:
                    shutil.copyfile(file, target)
        elif path.is_file() and path.suffix == ".json":
            shutil.copyfile(path, folder / path.name)


def say_prediction(folder: Path, prediction_type: str) -> None:
    """A model trained for another target must be drawn with that one."""
    file = folder / "scheduler" / "scheduler_config.json"
    if prediction_type != "model" and file.is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
        file.unlink()  # it may be the original's own file
        write_json(file, config | {"prediction_type": prediction_type})


def without_paths(file: Path) -> None:
    """The library writes down where a part was loaded from: a path of this machine, and no use elsewhere."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    write_json(file, config)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
