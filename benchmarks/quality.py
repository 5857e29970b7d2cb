"""How good the built-in upscaler is: PSNR on benchmark pairs, and how steady clips are, beside bicubic.

Clips are shrunk to a quarter and upscaled again by the stage that jobs run. Flicker is the warped-frame error of
Lai et al. 2018, "Learning Blind Video Temporal Consistency": the mean difference between a frame and its neighbour
fetched along the flow, where flow forth and back agree. The flow is the original's for all, so that all are compared at
the same places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, make_clip
from diffscaler.errors import MediaError
from diffscaler.media import ClipMeta, FrameChunk, Frames, Stream
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings

FRAMES, SCALE = 24, 4
Enlarge = Callable[[Frames], Frames]  # uint8 RGB (N, H, W, 3) -> (N, scale H, scale W, 3)


def run(folder: Path, pairs: tuple[Path, ...] = (), footage: tuple[Path, ...] = ()) -> Iterator[Result]:
    """pairs: folders of NAME_x2_HR.png, NAME_x2_LR.png and the same for 4; footage: clips, a made one when none is
    given. Raises MediaError where there is nothing to measure."""
    for scale in (2, 4):
        ours, bicubic = builtin(scale), by_bicubic(scale)
        for path in pairs:
            yield pictures(path, scale, ours, bicubic)
    for path in footage or (make_clip(folder / "made.mp4", FRAMES, 640, 360),):
        yield from steadiness(path, builtin(SCALE), by_bicubic(SCALE))


def pictures(path: Path, scale: int, ours: Enlarge, bicubic: Enlarge) -> Result:
    """Mean PSNR of Y over the pairs of a folder."""
    from training.upscaler.evaluate import measure

    rows = [measure(path, scale, lambda image, by=by: by(np.array(image[None]))[0]) for by in (ours, bicubic)]
    if not rows[0]:
        raise MediaError(f"{path} holds no pairs for x{scale}.", f"They are called NAME_x{scale}_HR.png and _LR.png.")
    value, baseline = (float(np.mean([psnr for _, psnr in row])) for row in rows)
    return Result(f"{path.name} x{scale}", value, "dB", f"bicubic, {len(rows[0])} pictures", baseline, "higher")


def steadiness(path: Path, ours: Enlarge, bicubic: Enlarge) -> list[Result]:
    """Flicker of a clip upscaled after being shrunk, beside bicubic and beside the clip itself."""
    from training.upscaler.evaluate import resize

    whole = beginning_of(path)
    if len(whole) < 2:
        raise MediaError(f"{path.name} is too short to flicker.", "Give a clip of two frames or more.")
    small = np.stack([resize(frame, frame.shape[0] // SCALE, frame.shape[1] // SCALE) for frame in whole])
    by_name = dict(zip(("ours", "bicubic", "whole"), flicker(whole, ours(small), bicubic(small), whole), strict=True))
    name, count = f"{path.stem[:12]} flicker", len(whole)
    return [
        Result(name, by_name["ours"], "levels", f"bicubic, {count} frames", by_name["bicubic"], "lower"),
        Result(name, by_name["ours"], "levels", "the original", by_name["whole"], "lower"),
    ]


def flicker(original: Frames, *clips: Frames) -> list[float]:
    """The warped-frame error of each clip, in levels of 0..255; flow and where it holds are the original's.

    uint8 RGB (N, H, W, 3) of equal size each, N >= 2
    """
    from diffscaler.upscale.dis import fetched
    from diffscaler.upscale.flow import motion_of, reduced

    sums, weight = np.zeros(len(clips)), 0.0
    for index in range(1, len(original)):
        motion = motion_of(original[index - 1], original[index])
        weight += float(motion.seen_a.sum())
        for at, clip in enumerate(clips):
            before, after = (reduced(clip[i]).astype(np.float32) for i in (index - 1, index))
            gap = np.abs(before - fetched(after, motion.forward)).mean(-1)
            sums[at] += float((gap * motion.seen_a).sum())
    return [float(value) for value in sums / max(weight, 1.0)]


def beginning_of(path: Path) -> Frames:
    """The first frames of a clip, uint8 RGB, cut to sides that a quarter can be taken of."""
    from diffscaler.video.reader import read_frames

    frames: list[np.ndarray] = []
    for chunk in read_frames(path):
        frames += list(chunk.frames)
        if len(frames) >= FRAMES:
            break
    made = np.stack(frames[:FRAMES])
    return made[:, : made.shape[1] // SCALE * SCALE, : made.shape[2] // SCALE * SCALE]


def by_bicubic(scale: int) -> Enlarge:
    from training.upscaler.evaluate import resize

    return lambda small: np.stack([resize(im, im.shape[0] * scale, im.shape[1] * scale) for im in small])


def builtin(scale: int) -> Enlarge:
    """The built-in network, run by the stages that jobs run at a request's defaults."""
    from diffscaler.models.catalogue import Catalogue
    from diffscaler.models.device import pick_device
    from diffscaler.stage import StageContext
    from diffscaler.upscale.stage import Upscale, UpscaleParams
    from diffscaler.upscale.steady_stage import Steady, SteadyParams

    catalogue = Catalogue(Settings())
    spec = catalogue.spec(f"builtin-x{scale}", "upscaler")
    stage = Upscale(UpscaleParams(scale=scale, tile=0), (catalogue.ref(spec),))
    steady = Steady(SteadyParams(scale=UpscaleRequest.model_fields["steady"].default), ())
    network = spec.load(pick_device(None))
    nothing: Any = lambda *_: None  # noqa: E731
    context = StageContext(
        0, lambda _: nullcontext(network), nothing, nothing, nothing, Path(), Path(), nothing, nothing, {}
    )

    def enlarge(small: Frames) -> Frames:
        count, height, width = small.shape[:3]
        meta = ClipMeta(kind="frames", width=width, height=height, num_frames=count, fps=Fraction(24))
        times, most = np.arange(count) / 24, meta.chunk_frames
        chunks = [FrameChunk(small[i : i + most], i, times[i : i + most]) for i in range(0, count, most)]
        larger = Stream(stage.describe((meta,)), stage.run((Stream(meta, iter(chunks)),), context))
        return np.concatenate([chunk.frames for chunk in steady.run((larger,), context)])

    return enlarge
