"""The kinds of model that can be distilled: each as its own recipe has it, going on from a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from diffscaler.errors import DiffScalerError
from diffscaler.text2video.family import Sampling
from training.events import RunError
from training.finetune.source import find_model
from training.recipes.clip_data import ClipData, read_clips
from training.recipes.denoising import Denoising
from training.recipes.distil.options import DistilRun
from training.recipes.dit.model import SIZE_STEP, shift_of
from training.recipes.dit.options import DitRun
from training.recipes.dit.task import DitTask, export_dit, legal_length
from training.recipes.unet3d.export import export_unet3d
from training.recipes.unet3d.options import Unet3DRun
from training.recipes.unet3d.task import Unet3DTask
from training.task import Place

#: Options that a distillation's table shares with those of the model's own recipe.
SHARED = (
    "output_dir", "init", "seed", "train_batch_size", "gradient_checkpointing", "caption_dropout", "held_out", "fps",
    "num_frames",
)  # fmt: skip


@dataclass(frozen=True)
class Student:
    """task: batches and a denoiser; draw(prompt, seed, steps) -> uint8 RGB (F, H, W, 3); export(folder, steps)."""

    task: Any
    draw: Callable[[str, int, int], np.ndarray]
    export: Callable[[Path, int], None]


def open_student(config: DistilRun, place: Place, clips: ClipData | None = None) -> Student:
    """clips: read from the run's data where none are given. Raises RunError for a model of another family."""
    spec = find_model(config.init)
    family = spec.family
    if family is not None and family.name == "unet3d":
        return pixel_student(config, place, clips)
    if family is not None and family.name == "wan":
        return flow_student(config, place, clips)
    raise RunError(
        f"{spec.title} is not of a family that this recipe distils.",
        "It takes models from scratch and Wan; the built-in model has its own (presets/training/distil.toml).",
    )


def pixel_student(config: DistilRun, place: Place, clips: ClipData | None) -> Student:
    shared = {name: getattr(config, name) for name in SHARED}
    try:
        # Its shape is that of the folder; of the options that say one, none may stand in the way.
        options = Unet3DRun(
            recipe="unet3d", image_size=config.resolution, sampler="ddim", cond_scale=1.0, dim_mults=(1,), **shared
        )
    except ValidationError as error:
        raise RunError(
            f"This model cannot be drawn that way: {error.errors()[0]['msg']}.", "Change the size."
        ) from None
    clips = clips or read_clips(
        config.data, place, config.held_out, config.num_frames, config.fps, config.resolution, 1, aspect_ratio=1.0,
        captions_needed=False,
    )  # fmt: skip
    task = Unet3DTask(options, place, clips)
    # Its student walks without fresh noise, whatever it was drawn with.
    task.family.diffusion = replace(task.family.diffusion, sampler="ddim")
    return Student(
        task,
        lambda prompt, seed, steps: drawn(task, prompt, sampling_of(clips, steps, seed)),
        lambda folder, steps: export_unet3d(folder, options, task.family, steps),
    )


def flow_student(config: DistilRun, place: Place, clips: ClipData | None) -> Student:
    shared = {name: getattr(config, name) for name in SHARED}
    step = SIZE_STEP
    options = DitRun(recipe="dit", transformer="init", resolution=max(step, config.resolution // step * step), **shared)
    clips = clips or read_clips(
        config.data, place, config.held_out, legal_length(config.num_frames), config.fps, config.resolution, step,
        legal=legal_length,
    )  # fmt: skip
    task = DitTask(options, place, clips)
    task.family.pipeline.scheduler = even_walk(shift_of(task.family.pipeline.scheduler))
    return Student(
        task,
        lambda prompt, seed, steps: drawn(task, prompt, sampling_of(clips, steps, seed)),
        lambda folder, steps: export_dit(folder, options, task.family, clips.frames[0].shape, steps),
    )


def even_walk(shift: float) -> Any:
    """A sampler of flows whose steps are Euler's at the levels that `Flow.walk` visits. That of other Wan models spends
    its last step on almost nothing, which a model of four steps cannot afford."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
        solver_order=1,
        final_sigmas_type="zero",
    )


def sampling_of(clips: ClipData, steps: int, seed: int) -> Sampling:
    """Without guidance, of the first clip's shape."""
    frames, height, width = clips.frames[0].shape[:3]
    return Sampling(width, height, frames, steps, 1.0, seed)


def drawn(task: Denoising | Any, prompt: str, sampling: Sampling) -> np.ndarray:
    """A clip of the family's own sampler. Raises RunError."""
    try:
        text = task.family.encode_text(prompt, "")
        return task.family.decode(task.family.denoise(text, sampling, lambda *_: None))
    except DiffScalerError as error:
        raise RunError(str(error), error.hint) from error
