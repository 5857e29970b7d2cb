"""One measured line, and the clips that cases work on."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from diffscaler.models.device import describe_without_torch


@dataclass(frozen=True)
class Result:
    """value and baseline_value in `unit`; ratio = value / baseline_value."""

    case: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    better: Literal["higher", "lower"]

    @property
    def ratio(self) -> float:
        return self.value / self.baseline_value

    def row(self) -> dict[str, Any]:
        machine = (
            f"{describe_without_torch()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
        return {**asdict(self), "ratio": round(self.ratio, 3), "machine": machine}

    def line(self) -> str:
        return (
            f"{self.case:<12} {self.value:>9.4g} {self.unit:<10} {self.baseline_value:>9.4g} {self.baseline:<52}"
            f" ratio {self.ratio:.2f} ({self.better} is better)"
        )


def median_seconds(work: Callable[[], object], repeats: int = 3, warm: bool = False) -> float:
    """Median wall-clock seconds of `repeats` calls, after one that is not counted unless it is `warm` already."""
    if not warm:
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def paired_seconds(ours: Callable[[], object], other: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """(median seconds of `ours`, median of how many times as long `other` takes), run in turns after one of each that
    is not counted: what else a machine does meets both alike."""
    ours(), other()
    times, ratios = [], []
    for _ in range(repeats):
        took = []
        for work in (ours, other):
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
        times.append(took[0])
        ratios.append(took[1] / took[0])
    return statistics.median(times), statistics.median(ratios)


def make_clip(path: Path, frames: int, width: int, height: int, fps: int = 24, noise: int = 6) -> Path:
    """A moving, noisy picture with a tone, H.264 and AAC in MP4, by the ffmpeg that comes with the packages.

    noise: its strength, as ffmpeg's filter counts it
    """
    import imageio_ffmpeg

    seconds = frames / fps
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y",
            "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={fps},noise=alls={noise}:allf=t",
            "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
            "-frames:v", str(frames), "-t", f"{seconds:.6f}",
            "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


def run_child(code: str, *args: str) -> str:
    """Run Python code in a fresh process and return its last line of output."""
    done = subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def peak_mib() -> float:
    """The most memory this process has taken, MiB.

    On Linux `getrusage` counts what its parent took when it was started too, which may be more than the child takes.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 2**20


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 RGB noise over a gradient."""
    noise = np.random.RandomState(seed).randint(0, 64, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    return (noise + ramp).astype(np.uint8)
