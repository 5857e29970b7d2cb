"""How a run is looked at from outside: a loss on clips it never learns from, and drawn samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.options import RunConfig
from training.task import Batch, Task

#: Noise levels at which each held-out batch is judged; always the same, so that two looks can be compared.
DRAWS = 4

#: Samples drawn at one look, and frames shown of each.
MOST_SAMPLES, SHOWN = 6, 8


@torch.no_grad()
def held_out_loss(task: Task, batches: list[Batch], seed: int) -> float:
    """Mean loss over `batches`, each at DRAWS fixed draws of noise and noise level."""
    losses = []
    for i, batch in enumerate(batches):
        for draw in range(DRAWS):
            words = np.random.SeedSequence([seed, i, draw]).generate_state(1)
            losses.append(float(task.loss(batch, torch.Generator().manual_seed(int(words[0])))))
    return float(np.mean(losses))


@torch.no_grad()
def sample_sheet(task: Task, config: RunConfig, folder: Path, step: int) -> Path | None:
    """Draw the fixed prompts with fixed seeds: a PNG with a row per prompt, and beside it an animation of each clip.

    Returns the path of the PNG; None when the task draws nothing.
    """
    rows, size = [], None
    for i, prompt in enumerate((config.prompts or tuple(task.prompts()))[:MOST_SAMPLES]):
        clip = task.sample(prompt, config.seed + i)
        if clip is None:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        if len(clip) > 1:
            first, *rest = [Image.fromarray(frame) for frame in clip]
            name = f"{config.recipe}-{step:06d}-{i}.webp"
            first.save(folder / name, save_all=True, append_images=rest, duration=125, loop=0, quality=90)
        shown = clip[np.linspace(0, len(clip) - 1, min(SHOWN, len(clip))).round().astype(int)]
        size = size or shown.shape
        if shown.shape == size:
            rows.append(np.concatenate(list(shown), axis=1))
    if not rows:
        return None
    path = folder / f"{config.recipe}-{step:06d}.png"
    Image.fromarray(np.concatenate(rows)).save(path)
    return path
