"""The built-in model: what it draws read back by the judge, how fast and in how much memory."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, median_seconds, run_child
from diffscaler.settings import ROOT, Settings
from diffscaler.text2video.family import draw

PROMPT = "a cat sleeping on a road"
BASELINE_STEPS, BASELINE_GUIDANCE = 20, 4.0

JUDGE = ROOT / "assets" / "models" / "judge"

#: Clips the judge reads when nobody says how many: enough to see a break, too few to quote.
DEFAULT_CLIPS = 24

#: What was like its training is the easier half: more clips of it would only take time.
MOST_SEEN = 120

#: A process that loads the model and draws one clip; prints its peak memory in MiB.
ONE_CLIP = """
import resource, sys
from benchmarks.mini import PROMPT, load
from diffscaler.text2video.family import draw
model, native = load()
draw(model, native, PROMPT, 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
"""


def load(folder: str | None = None, steps: int | None = None) -> tuple[Any, dict[str, Any]]:
    """(the loaded model, its own settings), on the device the studio would take.

    folder: of another model of this family, a training run's for example; steps: in place of the model's own
    """
    from diffscaler import compat
    from diffscaler.models.catalogue import Catalogue, text2video_folder
    from diffscaler.models.device import pick_device

    compat.install()
    settings = Settings()
    spec = text2video_folder(Path(folder)) if folder else Catalogue(settings).spec("mini", "text2video")
    native = spec.native | ({"num_inference_steps": steps} if steps else {})
    return spec.load(pick_device(settings.device)), native


def stock(model: Any, native: Any) -> Any:
    """The same weights through diffusers' own pipeline, at the usual number of steps."""
    import torch

    pipeline = model.pipeline
    pipeline.set_progress_bar_config(disable=True)
    return lambda: pipeline(
        PROMPT,
        num_frames=native["num_frames"],
        height=native["height"],
        width=native["width"],
        num_inference_steps=BASELINE_STEPS,
        guidance_scale=BASELINE_GUIDANCE,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    )


def run(
    folder: Path, clips: int = DEFAULT_CLIPS, model_folder: str | None = None, steps: int | None = None
) -> list[Result]:
    """Print the judge's tables; the results are time and memory, those of the built-in model alone.

    model_folder, steps: see `load`; with either, only the tables
    """
    from training.judge.recipe import load_judge
    from training.scenes.glyphs import find_font

    try:
        find_font()
        judge = load_judge(JUDGE)
    except FileNotFoundError as error:
        raise SystemExit(f"The case mini cannot run: {error} See presets/training/judge.toml.") from None
    model, native = load(model_folder, steps)
    tell_tables(model, native, judge, clips, model_folder or "mini")
    if model_folder or steps:
        return []
    warm = median_seconds(lambda: draw(model, native, PROMPT, 1))
    whole = median_seconds(stock(model, native), 1)
    began = time.perf_counter()
    memory = float(run_child(ONE_CLIP))
    cold = time.perf_counter() - began
    steps = f"stock diffusers pipeline, {BASELINE_STEPS} steps, guidance {BASELINE_GUIDANCE:g}"
    return [
        Result("mini", warm, "s", steps, whole, "lower"),
        Result("mini cold", cold, "s", "the same clip, warm", warm, "lower"),
        Result("mini memory", memory, "MiB", "the goal", 2048, "lower"),
    ]


def tell_tables(model: Any, native: Any, judge: Any, clips: int, name: str) -> None:
    """Print what the judge reads: of combinations never drawn for training, and of some like those of training."""
    for title, held_out, count in (
        ("never drawn for training", True, clips),
        ("like those of training", False, min(clips, MOST_SEEN)),
    ):
        print(f"{name}, {native['num_inference_steps']} steps, {count} captions of combinations {title}")
        print(read_back(model, native, judge, count, held_out), flush=True)


def read_back(model: Any, native: Any, judge: Any, clips: int, held_out: bool) -> str:
    """Draw the captions of new scenes; what the judge reads in the clips, and how they move, as text."""
    from training.judge.measure import drawn_scenes, motion, score, table

    began = time.perf_counter()

    def tell(done: int) -> None:
        if sys.stderr.isatty() or done % 25 == 0:
            left = (time.perf_counter() - began) / done * (clips - done)
            print(f"{done} of {clips} clips, {left:.0f} s left", file=sys.stderr)

    drawn = drawn_scenes(clips, partial(draw, model, native), held_out, native["width"], tell)
    moved = motion(*drawn, round_trip(model))
    return (
        f"{table(score(judge, *drawn), judge.accuracy)}\n"
        f"optical flow goes where the caption says in {moved.direction_right} of {moved.direction_asked} clips with a"
        f" static camera, in {moved.direction_renders} of the renders; their still halves change by {moved.flicker:.2f}"
        f" levels a frame, those of renders through the VAE by {moved.flicker_vae:.2f}"
    )


def round_trip(model: Any) -> Any:
    """A clip, uint8 RGB (F, H, W, 3), through the model's VAE and back."""
    import torch

    def through(clip: np.ndarray) -> np.ndarray:
        vae = model.pipeline.vae
        frames = torch.from_numpy(clip).permute(0, 3, 1, 2).to(model.device, model.dtype) / 127.5 - 1
        with torch.inference_mode():
            latents = torch.cat([vae.encode(frame[None]).latent_dist.mean for frame in frames])
        return model.decode(latents.permute(1, 0, 2, 3).float().cpu().numpy())

    return through
