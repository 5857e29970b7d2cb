"""Contact sheets: what a model in the making draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from diffscaler.text2video.mirror import in_mirror, is_mirrored, swapped
from diffscaler.text2video.noise import mixed_noise
from training.mini.bundle import Bundle

NUM_STEPS, GUIDANCE = 16, 4.0

#: Of a model whose guidance was built in when it was distilled, after it was tuned on: it no longer lands in so few.
GUIDED_STEPS = 8

#: Frames of a clip that are shown.
SHOWN = 8


def draw_clip(
    bundle: Bundle, prompt: str, num_frames: int, seed: int = 0, steps: int = NUM_STEPS, guidance: float = GUIDANCE
) -> np.ndarray:
    """A clip: uint8 RGB (F, H, W, 3), in the mirror where the bundle's `sides` say so, as the studio shows it."""
    sides = bundle.sides
    mirrored = sides is not None and is_mirrored(prompt, sides)
    pipeline = bundle.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    for module in bundle.modules().values():
        module.eval()
    side = bundle.unet.config.sample_size
    shape = (1, bundle.unet.config.in_channels, num_frames, side, side)
    with torch.no_grad():
        frames = pipeline(
            swapped(prompt, sides) if sides and mirrored else prompt,
            num_frames=num_frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            latents=mixed_noise(shape, bundle.shared_noise, torch.Generator().manual_seed(seed)),
            output_type="np",
        ).frames[0]
    pictures = (frames * 255).round().astype(np.uint8)
    return in_mirror(pictures) if mirrored else pictures


def contact_sheet(
    bundle: Bundle,
    prompts: Sequence[str],
    num_frames: int,
    seed: int = 0,
    sampling: tuple[int, float] = (NUM_STEPS, GUIDANCE),
) -> np.ndarray:
    """One row per prompt: up to SHOWN frames of a clip, or as many single pictures for an image model.

    sampling: (steps, guidance scale)
    """
    rows = []
    for prompt in prompts:
        if num_frames > 1:
            clip = draw_clip(bundle, prompt, num_frames, seed, *sampling)
            clip = clip[np.linspace(0, num_frames - 1, min(SHOWN, num_frames)).round().astype(int)]
        else:
            clip = np.concatenate([draw_clip(bundle, prompt, 1, seed + i, *sampling) for i in range(4)])
        rows.append(np.concatenate(list(clip), axis=1))
    return np.concatenate(rows)
