"""Preparing folders of many small clips and of pictures, per second of one core, beside a bare decode of the same.

Both are counted in processor time, so what else runs on the machine matters little. Clips are prepared in this process;
ten thousand pictures with captions by a command of its own, whose start counts. On a core of a Zen 4: 440 to 490
files a second with one worker, 310 to 350 with two, which wait for each other; before pictures were hashed once, 418.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.result import Result
from diffscaler.settings import ROOT

CLIPS, FRAMES = 400, 16
SIZES = ((128, 128), (854, 480))
LARGE_CLIPS = 12
PICTURES, PICTURE_SIZE = 10_000, (160, 96)


def run(folder: Path) -> list[Result]:
    import cv2

    from training.data.options import Options
    from training.data.prepare import prepare
    from training.data.reporting import Report
    from training.events import EventLog

    cv2.setNumThreads(1)
    found: list[Result] = []
    for size, count, frames in ((SIZES[0], CLIPS, FRAMES), (SIZES[1], LARGE_CLIPS, 96)):
        clips = folder / f"clips{size[0]}"
        for number in range(count):
            write_clip(clips / f"{number:05d}.mp4", size, frames, number)
        events = EventLog(folder / f"set{size[0]}" / "events.jsonl")

        def prepared(clips: Path = clips, events: EventLog = events) -> None:
            prepare(clips, events.path.parent, Options(), Report(events), lambda: False, 1)

        total = count * frames
        bare = total / processor_seconds(lambda clips=clips: decode(clips))
        name = f"{count} clips of {frames} frames, {size[0]} x {size[1]}"
        found.append(
            Result("prepare", total / processor_seconds(prepared), "frames/s", f"bare decode, {name}", bare, "higher")
        )
    pictures = folder / "pictures"
    for number in range(PICTURES):
        write_picture(pictures / f"{number:05d}.jpg", PICTURE_SIZE, number)
    command = [sys.executable, "-m", "training", "prepare", str(pictures), "-o", str(folder / "set"), "--workers", "1"]
    value = PICTURES / child_seconds([*command, "--clip-model", "none"])
    bare = PICTURES / processor_seconds(lambda: decode_pictures(pictures))
    size = f"{PICTURE_SIZE[0]} x {PICTURE_SIZE[1]}"
    found.append(Result("prepare", value, "files/s", f"bare decode, {PICTURES} pictures, {size}", bare, "higher"))
    return found


def child_seconds(command: list[str]) -> float:
    """Seconds that all cores together spent on a command. Not told on Windows, where the clock has to do."""
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent or time.perf_counter() - began


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds that all cores together spent on it."""
    began = time.process_time()
    work()
    return time.process_time() - began


def decode(folder: Path) -> None:
    import av

    for path in sorted(folder.glob("*.mp4")):
        with av.open(str(path)) as container:
            for _ in container.decode(video=0):
                pass


def decode_pictures(folder: Path) -> None:
    from PIL import Image

    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as picture:
            picture.load()
        path.with_suffix(".txt").read_text(encoding="utf-8")


def write_picture(path: Path, size: tuple[int, int], seed: int) -> None:
    """A soft texture with grain, JPEG, with a caption beside it."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (size[1] // 16, size[0] // 16, 3)).astype(np.uint8)
    soft = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + rng.normal(0, 6, (size[1], size[0], 3))
    cv2.imwrite(str(path), np.clip(soft, 0, 255).astype(np.uint8))
    path.with_suffix(".txt").write_text(f"cloud number {seed} floats", encoding="utf-8")


def write_clip(path: Path, size: tuple[int, int], frames: int, seed: int) -> None:
    """A soft texture that moves, H.264, with a caption beside it."""
    import av
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    coarse = np.random.default_rng(seed).integers(0, 255, (height // 16, width // 8, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as output:
        stream = output.add_stream(
            "libx264", rate=Fraction(24), options={"preset": "veryfast"}, width=width, height=height
        )
        stream.pix_fmt = "yuv420p"
        for i in range(frames):
            at = (2 * i) % width
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(wide[:, at : at + width]), format="rgb24")
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    path.with_suffix(".txt").write_text("a cloud moves", encoding="utf-8")
