"""How well a mini model does on scenes it has never seen, in numbers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import UNetMotionModel

from training.clips import ClipSet
from training.mini.bundle import Bundle
from training.mini.diffusion import build_scheduler, noised
from training.mini.recipe import load_averaged
from training.mini.text import token_ids
from training.mini.vae import encode_frames, psnr
from training.scenes.cache import render_scenes

#: Noise over signal at which the prediction is judged: from fine detail to nothing but the caption.
LEVELS = (0.3, 1.0, 3.0, 10.0)

#: Far from the seeds that training draws.
FIRST_SEED = 500_000


def errors(bundle: Bundle, latents: torch.Tensor, captions: list[str]) -> list[float]:
    """Mean squared error of the predicted clean latents at each of LEVELS; 1.0 is no better than their mean.

    latents: float32 (N, F, 4, h, w) with mean 0 and deviation 1; captions: one per clip.
    """
    alpha_bars, result = build_scheduler().alphas_cumprod.float(), []
    text = bundle.text_encoder(token_ids(bundle.tokenizer, captions)).last_hidden_state
    frames = latents.shape[1]
    moving = isinstance(bundle.unet, UNetMotionModel)
    x = latents.transpose(1, 2) if moving else latents.flatten(0, 1)
    words = text.repeat_interleave(frames, dim=0)
    for level in LEVELS:
        step = int((((1 - alpha_bars) / alpha_bars).sqrt() - level).abs().argmin())
        t = torch.full((len(x),), step)
        alpha_bar = alpha_bars[t]
        x_t, _ = noised(x, torch.randn(x.shape, generator=torch.Generator().manual_seed(step)), alpha_bar)
        v = bundle.unet(x_t, t, words).sample
        shape = (-1, *(1,) * (x.ndim - 1))
        clean = alpha_bar.sqrt().view(shape) * x_t - (1 - alpha_bar).sqrt().view(shape) * v
        result.append((clean - x).square().mean().item())
    return result


@torch.no_grad()
def report(model: Path, clips: ClipSet) -> str:
    """A table for one set of clips: the VAE, then the U-Net with right and with wrong captions."""
    bundle = load_averaged(model)
    for module in bundle.modules().values():
        module.eval()
    latents = torch.from_numpy(np.stack([encode_frames(bundle.vae, clip) for clip in clips.frames])).float()
    captions = [c[0] for c in clips.captions]
    wrong = captions[1:] + captions[:1]
    lines = [
        f"VAE {psnr(bundle.vae, clips.frames[:, 0]):.1f} dB over {len(clips)} frames",
        "noise / signal     " + "".join(f"{level:>8}" for level in LEVELS),
    ]
    for name, said in (("its own caption", captions), ("another's caption", wrong)):
        lines.append(f"{name:<19}" + "".join(f"{e:>8.3f}" for e in errors(bundle, latents, said)))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table for new scenes of known subject-place pairs, and of pairs that training never drew."""
    parser = argparse.ArgumentParser(prog="python -m training evaluate-mini")
    parser.add_argument("model", type=Path)
    parser.add_argument("--clips", type=int, default=24)
    options = parser.parse_args(arguments)
    size = json.loads((options.model / "vae" / "config.json").read_text(encoding="utf-8"))["sample_size"]
    for title, held_out in (("pairs seen in training", False), ("pairs never seen", True)):
        clips = render_scenes(options.clips, size, 16, 1, FIRST_SEED, held_out)
        print(f"{title}\n{report(options.model, clips)}\n")
    return 0
