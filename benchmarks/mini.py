"""The built-in model: what it draws read back by the judge, how fast and in how much memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, median_seconds, run_child
from diffscaler.settings import ROOT, Settings

PROMPT = "a cat sleeping on a road"
BASELINE_STEPS, BASELINE_GUIDANCE = 20, 4.0

#: Clips the judge reads when nobody says how many: enough to see a break, too few to quote.
DEFAULT_CLIPS = 24

MEMORY = """
import resource, sys
from pathlib import Path
from benchmarks.mini import drawer
drawer()("a cat sleeping on a road", 1)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (2**20 if sys.platform == "darwin" else 2**10))
"""

COLD = """
import sys
from benchmarks.mini import drawer
drawer()("a cat sleeping on a road", 1)
print(0)
"""


def family() -> tuple[Any, Any]:
    """(the loaded model, its spec), on the device the studio would take."""
    from diffscaler import compat
    from diffscaler.models.catalogue import Catalogue
    from diffscaler.models.device import pick_device
    from diffscaler.text2video.animatediff import AnimateDiff

    compat.install()
    settings = Settings()
    spec = Catalogue(settings).spec("mini", "text2video")
    return AnimateDiff.load(spec.path, pick_device(settings.device)), spec


def drawer(model: Any = None, native: Any = None) -> Any:
    """draw(prompt, seed) -> uint8 RGB (F, H, W, 3), by the studio's own code at the model's own settings."""
    from diffscaler.text2video.family import Sampling

    if model is None:
        model, spec = family()
        native = spec.native

    def draw(prompt: str, seed: int) -> np.ndarray:
        sampling = Sampling(
            width=native["width"],
            height=native["height"],
            num_frames=native["num_frames"],
            num_inference_steps=native["num_inference_steps"],
            guidance_scale=native["guidance_scale"],
            seed=seed,
        )
        latents = model.denoise(model.encode_text(prompt, ""), sampling, lambda *_: None)
        return model.decode(latents)

    return draw


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


def run(folder: Path, clips: int = DEFAULT_CLIPS) -> list[Result]:
    """Print the judge's table; the results are time and memory."""
    model, spec = family()
    native = spec.native
    draw = drawer(model, native)
    warm = median_seconds(lambda: draw(PROMPT, 1))
    whole = median_seconds(stock(model, native), 1)
    began = time.perf_counter()
    run_child(COLD)
    cold = time.perf_counter() - began
    memory = float(run_child(MEMORY))
    read_back(draw, native, clips)
    steps = f"stock diffusers pipeline, {BASELINE_STEPS} steps, guidance {BASELINE_GUIDANCE:g}"
    return [
        Result("mini", warm, "s", steps, whole, "lower"),
        Result("mini cold", cold, "s", "the same clip, warm", warm, "lower"),
        Result("mini memory", memory, "MiB", "the goal", 2048, "lower"),
    ]


def read_back(draw: Any, native: Any, clips: int) -> None:
    """Draw captions of held-out combinations and print what the judge reads in them."""
    from training.judge.measure import drawn_scenes, motion, score, table
    from training.judge.recipe import load_judge

    judge = load_judge(ROOT / "assets" / "models" / "judge")
    began = time.perf_counter()

    def tell(done: int) -> None:
        if sys.stderr.isatty() or done % 25 == 0:
            left = (time.perf_counter() - began) / done * (clips - done)
            print(f"{done} of {clips} clips, {left:.0f} s left", file=sys.stderr)

    scenes, drawn, renders = drawn_scenes(clips, draw, True, native["width"], tell)
    moved = motion(scenes, drawn, renders)
    print(f"mini, {native['num_inference_steps']} steps, {clips} captions of combinations never drawn for training")
    print(table(score(judge, scenes, drawn, renders)))
    print(
        f"flow goes where the prompt says in {moved.direction_right} of {moved.direction_asked}; still parts change by "
        f"{moved.flicker:.2f} levels a frame, {moved.flicker_renders:.2f} in the renders"
    )
