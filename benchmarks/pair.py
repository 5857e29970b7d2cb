"""How good the diffusion pair is, on drawn clips it has not seen. Larger frames: PSNR beside bicubic and the built-in
upscaler, and flicker beside its own image network, which draws each frame by itself. More frames: see pair_rate.py.

Clips of 512 pixels are made four times smaller by area. Flicker is that of the case quality. The pair is run as jobs
run it, without the smoothing along the motion that a request asks for afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pair_rate
from benchmarks.quality import by_bicubic, flicker
from benchmarks.result import Result
from diffscaler.errors import MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames, Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.settings import Settings

SCALE, SIDE, FRAMES, DEFAULT_CLIPS = 4, 512, 8, 6
#: Of the scenes' seeds: far from those that are trained on.
FIRST_SEED = 900_000
NAME = "diffscaler"


def run(
    folder: Path, clips: int = DEFAULT_CLIPS, steps: int | None = None, model: str | None = None
) -> Iterator[Result]:
    """clips: how many; steps: of the sampler, the model's own, 2 and 4 unless given; model: another file of the
    network. Raises MediaError where the emoji that scenes are drawn with are missing."""
    from diffscaler.upscale.tile import upscale_frame

    catalogue, device = Catalogue(Settings()), pick_device(None)
    spec = catalogue.spec(NAME, "upscaler")
    pair = spec.model_copy(update={"path": Path(model)} if model else {}).load(device)
    own = int(spec.native["num_inference_steps"])
    whole = held_out(clips)
    small = [shrunk(clip) for clip in whole]
    builtin = catalogue.spec("builtin-x4", "upscaler").load(device)
    others = {
        "bicubic": [by_bicubic(SCALE)(clip) for clip in small],
        "built-in": [np.stack([upscale_frame(builtin, f, SCALE, 1024) for f in clip]) for clip in small],
    }
    for count in (steps,) if steps else sorted({own, 2, 4}):
        made = [enlarged(pair, clip, count) for clip in small]
        alone = [enlarged(replace(pair, temporal=False), clip, count) for clip in small]
        for name, clip in others.items():
            yield Result(
                f"pair {count} st.", psnr(made, whole), "dB", f"{name}, {clips} clips", psnr(clip, whole), "higher"
            )
        yield Result(f"pair {count} st.", psnr(made, whole), "dB", "its image network", psnr(alone, whole), "higher")
        rows = [flicker(*each) for each in zip(whole, made, alone, *others.values(), whole, strict=True)]
        flickers = np.mean(rows, axis=0)
        for name, value in zip(("its image network", *others, "the original"), flickers[1:], strict=True):
            yield Result(f"pair {count} st.", float(flickers[0]), "flicker", name, float(value), "lower")

    if model is None:
        yield from pair_rate.run(clips)


def held_out(clips: int) -> list[Frames]:
    """Scenes of combinations that training leaves out, uint8 RGB (8, 512, 512, 3) each."""
    from training.scenes.cache import render_scenes
    from training.scenes.glyphs import FontMissing

    try:
        return list(render_scenes(clips, SIDE, FRAMES, 1, FIRST_SEED, held_out=True).frames)
    except FontMissing as error:
        raise MediaError(str(error), "Install it, or set NOTO_COLOR_EMOJI to the path of the font file.") from None


def shrunk(clip: Frames) -> Frames:
    """Every frame a quarter as large, by area."""
    import cv2

    size = clip.shape[2] // SCALE, clip.shape[1] // SCALE
    return np.stack([np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA)) for frame in clip])


def enlarged(pair: Any, small: Frames, steps: int) -> Frames:
    """A clip as the stage draws it."""
    from diffscaler.stage import ModelRef, StageContext
    from diffscaler.upscale.pair.stage import PairParams, UpscalePair

    count, height, width = small.shape[:3]
    nothing: Any = lambda *_: None  # noqa: E731
    context = StageContext(
        0, lambda _: nullcontext(pair), nothing, nothing, nothing, Path(), Path(), nothing, nothing, {}
    )
    stage = UpscalePair(PairParams(scale=SCALE, num_inference_steps=steps), (ModelRef(name=NAME, revision=""),))
    meta = ClipMeta(kind="frames", width=width, height=height, num_frames=count, fps=Fraction(8))
    source = Stream(meta, iter([FrameChunk(small, 0, np.arange(count) / 8)]))
    return np.concatenate([chunk.frames for chunk in stage.run((source,), context)])


def psnr(made: list[Frames], whole: list[Frames]) -> float:
    """Mean over clips of the PSNR over all frames and colours, in dB."""
    errors = [np.square(a.astype(np.float32) - b).mean() for a, b in zip(made, whole, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(float(error), 1e-6)) for error in errors]))
