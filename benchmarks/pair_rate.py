"""How near the frames between come to the true ones, on drawn clips that training leaves out: the pair's frame-rate
network beside optical flow, the blend of both neighbours, and the earlier one shown again.

Scenes of 16 frames a second, of which every second one is kept back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result
from diffscaler.errors import MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames, Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.settings import Settings

SIDES, FRAMES, RATE = (128, 512), 17, 16
#: Of the scenes' seeds: far from those that are trained on, and from those of the other half of the case.
FIRST_SEED = 910_000
NAME = "tsr"


def run(clips: int, model: str | None = None) -> Iterator[Result]:
    """model: another file of the network. Raises MediaError where the emoji that scenes are drawn with are missing."""
    from diffscaler.upscale.flow import between

    spec = Catalogue(Settings()).spec(NAME, "interpolator")
    pair = spec.model_copy(update={"path": Path(model)} if model else {}).load(pick_device(None))
    for side in SIDES:
        rows = []
        for clip in held_out(clips, side):
            known, true = clip[::2], clip[1::2]
            made = {
                "by it": drawn(pair, known),
                "its image network": drawn(replace(pair, temporal=False), known),
                "flow": np.stack([next(between(a, b, [0.5])) for a, b in pairwise(known)]),
                "blend of neighbours": np.stack([blended(a, b) for a, b in pairwise(known)]),
                "frames shown again": known[:-1],
            }
            rows.append({name: psnr(frames, true) for name, frames in made.items()})
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        own = means.pop("by it")
        for name, value in means.items():
            yield Result(f"tsr {side} px", own, "dB", f"{name}, {clips} clips", value, "higher")


def held_out(clips: int, side: int) -> list[Frames]:
    """Scenes of combinations that training leaves out, uint8 RGB (17, side, side, 3) each."""
    from training.scenes.cache import render_scenes
    from training.scenes.glyphs import FontMissing

    try:
        return list(render_scenes(clips, side, FRAMES, 1, FIRST_SEED, held_out=True, fps=RATE).frames)
    except FontMissing as error:
        raise MediaError(str(error), "Install it, or set NOTO_COLOR_EMOJI to the path of the font file.") from None


def drawn(pair: Any, known: Frames) -> Frames:
    """The frames between, as the stage draws them."""
    from diffscaler.stage import ModelRef, StageContext
    from diffscaler.upscale.pair.tsr_stage import InterpolatePair, InterpolatePairParams

    count, height, width = known.shape[:3]
    nothing: Any = lambda *_: None  # noqa: E731
    context = StageContext(
        0, lambda _: nullcontext(pair), nothing, nothing, nothing, Path(), Path(), nothing, nothing, {}
    )
    stage = InterpolatePair(InterpolatePairParams(), (ModelRef(name=NAME, revision=""),))
    meta = ClipMeta(kind="frames", width=width, height=height, num_frames=count, fps=Fraction(RATE, 2))
    source = Stream(meta, iter([FrameChunk(known, 0, np.arange(count) * 2 / RATE)]))
    return np.concatenate([chunk.frames for chunk in stage.run((source,), context)])[1:-1:2]


def blended(a: Frames, b: Frames) -> Frames:
    return np.rint((a.astype(np.float32) + b) / 2).astype(np.uint8)


def psnr(made: Frames, true: Frames) -> float:
    """Over all frames and colours, in dB."""
    return float(10 * np.log10(255**2 / max(float(np.square(made.astype(np.float32) - true).mean()), 1e-6)))
