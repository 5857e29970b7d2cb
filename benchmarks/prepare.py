"""Preparing a folder of many small clips, in frames per second of one core, beside a bare decode of the same frames.

Both are counted in processor time, so what else runs on the machine does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.result import Result

CLIPS, FRAMES = 400, 16
SIZES = ((128, 128), (854, 480))
LARGE_CLIPS = 12


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
    return found


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
