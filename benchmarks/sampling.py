"""What the sampling loop costs besides the network, and what step caching gains and loses, with the built-in model."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mini import PROMPT, load
from benchmarks.result import Result, median_seconds
from diffscaler.text2video.family import native_sampling

#: As many as people use for finals; few steps have little to reuse.
STEPS, GUIDANCE = 20, 4.0


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between uint8 clips."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


class Forwards:
    """Seconds spent inside a network, by hooks around its forward."""

    def __init__(self, network: Any) -> None:
        self.seconds = self._began = 0.0
        self._hooks = [
            network.register_forward_pre_hook(self._before, with_kwargs=True),
            network.register_forward_hook(self._after, with_kwargs=True),
        ]

    def _before(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _after(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()


def run(folder: Path) -> list[Result]:
    """Time of the loop beside its forwards; time with reuse beside time without, with the PSNR printed."""
    model, native = load()
    text = model.encode_text(PROMPT, "")
    whole = replace(native_sampling(native, 1), num_inference_steps=STEPS, guidance_scale=GUIDANCE)

    def draw(reuse: str) -> np.ndarray:
        return model.denoise(text, replace(whole, reuse=reuse), lambda *_: None)

    draw("off")
    forwards = Forwards(model.pipeline.unet)
    began = time.perf_counter()
    draw("off")
    total = time.perf_counter() - began
    forwards.close()
    results = [Result("loop", total, "s", "of it inside the network (goal 1.05)", forwards.seconds, "lower")]
    exact, plain = model.decode(draw("off")), median_seconds(lambda: draw("off"), 2)
    for reuse in ("some", "much"):
        seconds = median_seconds(lambda reuse=reuse: draw(reuse), 2)
        print(f"reuse {reuse}: PSNR {psnr(model.decode(draw(reuse)), exact):.1f} dB", file=sys.stderr)
        results.append(Result(f"reuse {reuse}", seconds, "s", f"no reuse, {STEPS} steps", plain, "lower"))
    return results
