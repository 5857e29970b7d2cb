"""Our upscaling beside RealESRGANer, same random weights in the real .pth format; on a CPU RealESRGANer's in float32.

Both take turns, so that what else the machine does hits them alike; processor time says what it hits least, most of all
with OMP_NUM_THREADS=1. RealESRGANer works on whole pictures, its default, which are small here. The network's own work
is counted as direct convolutions, beside the best that torch's convolution reaches here: Winograd's algorithm
multiplies less and may pass it.

Two free cores of a Zen 4, in bfloat16, which it multiplies twice as fast, one run: compact16 2.9 times RealESRGANer's
frames a second and 58 dB equal, compact32 3.8 times and 56 dB, rrdb6 2.7 times and 64 dB, rrdb23 x2 2.1 times and 51 dB
(46.9 before its sums stayed in float32, see upscale/trunk.py), 1.8 times the peak of torch's own float32 convolutions.
By Winograd's algorithm in float32 the same processor needs twice the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, picture

FRAMES, ROUNDS = 2, 3


@dataclass(frozen=True)
class Kind:
    """kind: compact or rrdb; depth: convolutions of the body, or blocks; height, width: of the clip upscaled"""

    name: str
    kind: str
    scale: int
    depth: int
    height: int
    width: int
    features: int = 64


# The first is realesr-animevideov3's network, then general-x4v3's, x4plus-anime's and x2plus's.
KINDS = (
    Kind("compact16 x4", "compact", 4, 16, 135, 240),
    Kind("compact32 x4", "compact", 4, 32, 135, 240),
    Kind("rrdb6 x4", "rrdb", 4, 6, 68, 120),
    Kind("rrdb23 x2", "rrdb", 2, 23, 68, 120),
)


def run(folder: Path, kinds: tuple[Kind, ...] = KINDS, frames: int = FRAMES, rounds: int = ROUNDS) -> Iterator[Result]:
    peak = convolution_peak()
    for kind in kinds:
        yield from beside(folder, kind, frames, rounds, peak)


def beside(folder: Path, kind: Kind, count: int, rounds: int, peak: float) -> Iterator[Result]:
    """Frames a second, likeness and share of the peak for one network. peak: FLOP/s"""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from diffscaler.models.catalogue import upscaler_file
    from diffscaler.models.device import pick_device
    from diffscaler.upscale.load import load_file
    from diffscaler.upscale.tile import upscale_frames

    torch.manual_seed(0)
    network, path = built(kind), folder / f"{kind.name}.pth"
    torch.save({"params": network.state_dict()}, path)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    flops = counter.get_total_flops() / 32**2 * kind.height * kind.width

    device = pick_device(None)
    ours = load_file(upscaler_file(path), device)
    frames = [picture(kind.height, kind.width, seed) for seed in range(count)]
    theirs = other(kind, path, device)

    def run_theirs() -> list[np.ndarray]:
        return [theirs.enhance(frame[..., ::-1], outscale=kind.scale)[0] for frame in frames]

    def run_ours() -> list[np.ndarray]:
        return list(upscale_frames(ours, frames, kind.scale, few=count < ours.workers))

    made, reference = run_ours(), run_theirs()  # the first run is not counted
    turns = [(timed(run_ours), timed(run_theirs)) for _ in range(rounds)]
    (wall, cpu), (their_wall, their_cpu) = (np.median([turn[i] for turn in turns], axis=0) for i in (0, 1))
    yield Result(kind.name, count / wall, "frames/s", "RealESRGANer, whole pictures", count / their_wall, "higher")
    yield Result(kind.name, count / cpu, "frames/CPU s", "RealESRGANer, whole pictures", count / their_cpu, "higher")
    yield Result(kind.name, psnr(made, reference), "dB", "between the two; the goal", 50, "higher")
    yield Result(
        kind.name, flops * count / wall / 1e9, "GFLOP/s", "torch's best convolution here", peak / 1e9, "higher"
    )


def built(kind: Kind) -> Any:
    """The network of the realesrgan package, with the weights it starts from."""
    from diffscaler import compat

    compat.install()
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from basicsr.archs.srvgg_arch import SRVGGNetCompact

    if kind.kind == "compact":
        return SRVGGNetCompact(3, 3, kind.features, kind.depth, kind.scale)
    return RRDBNet(3, 3, kind.scale, kind.features, kind.depth, 32)


def other(kind: Kind, path: Path, device: Any) -> Any:
    import torch
    from realesrgan import RealESRGANer

    half, where = device.kind == "cuda", torch.device(device.torch_name)
    return RealESRGANer(kind.scale, str(path), model=built(kind), pre_pad=0, half=half, device=where)


def convolution_peak() -> float:
    """The most FLOP/s that torch's 3x3 convolution reaches on this device, of several sizes that fit its cache."""
    import torch

    from diffscaler.models.device import pick_device

    device, best = pick_device(None), 0.0
    for channels in (64, 128):
        for side in (64, 96, 128):
            conv = torch.nn.Conv2d(channels, channels, 3, padding=1).to(device.torch_name)
            conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            image = torch.randn(1, channels, side, side, device=device.torch_name)
            image = image.contiguous(memory_format=torch.channels_last)

            def often(conv: Any = conv, image: Any = image) -> None:
                with torch.inference_mode():
                    for _ in range(10):
                        made = conv(image)
                    made.sum().item()

            often()
            flops = 10 * 2 * 9 * channels**2 * side**2
            best = max(best, *(flops / timed(often)[0] for _ in range(5)))
    return best


def timed(work: Any) -> tuple[float, float]:
    """Seconds on the wall, and of all processors together."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def psnr(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """dB over all frames. ours: uint8 RGB, theirs: uint8 BGR, as RealESRGANer returns it"""
    gaps = [np.square(a.astype(float) - b[..., ::-1]).mean() for a, b in zip(ours, theirs, strict=True)]
    return float(10 * np.log10(255**2 / max(float(np.mean(gaps)), 1e-9)))
