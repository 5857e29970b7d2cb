"""Our face swap beside insightface's own loop (FaceAnalysis.get, INSwapper.get), on the same ONNX files in one run.

Weights are random (`face_files`): nobody may ship the published ones. By default every file but the detector costs
about a 64th of its model; `--published` runs them at their full size, which takes minutes. Insightface's loop runs as
its README has it: all networks of the pack on every frame, in sessions with its own options, looking at 640x640.

Two free cores of a Zen 4, one run: 5.3 times their frames a second, 6.1 times less processor time (94 to 575 ms a
frame; part of theirs are waiting threads), 50.9 dB, 83 % in networks, two faces 1.56 times one. `--published`: 2.7
times their frames a second, 50.7 dB, 98 % in networks, two faces twice one: nearly all is the swapper's matrix
products then, which run at 88 GFLOP/s of a core, as fast as its own convolutions, and are a quarter as many.
Memory: 652 MiB over 600 frames beside 643 over 60, 726 over 6,000: 15 KiB a frame are what was found in it.

What was tried, in processor time of one frame, each in a process of its own on a loaded Zen 3: 229 to 258 ms before;
130 to 143 with one thread a run and groups of frames followed at once; 117 to 124 with quicker convolutions as well.
Sessions with several threads never gained: ten faces, two runs at once, took 0.64 s with one thread each, 0.73 s with
two, 0.88 s with two that spin. At the published size products of two faces at once, weights packed beforehand, and
grouped convolutions in place of matrix products gained nothing, the tiles' transform as plain convolutions 3 %.

Both loops take turns, and medians are told: other work on the machine slows both. Decoding and encoding are in neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.face_files import PUBLISHED, SMALL, TINY, Size, save_files
from benchmarks.face_loops import HEIGHT, WIDTH, Ours, Theirs, bgr, clip
from benchmarks.result import Result, run_child

FRAMES, ROUNDS = 24, 5
FULL_FRAMES, FULL_ROUNDS = 8, 3
SHORT, LONG = 60, 600
NETWORKS = ("detector", "landmarks", "gender and age", "recogniser", "swapper")

CHILD = """
import sys
from pathlib import Path
from benchmarks.face_loops import Ours, clip
from benchmarks.result import peak_mib
Ours(Path(sys.argv[1])).run(lambda: clip(int(sys.argv[2]), 1), int(sys.argv[2]))
print(peak_mib())
"""


def run(folder: Path, published: bool = False, longest: int = LONG) -> Iterator[Result]:
    """published: files as costly as the published ones; longest: frames of the clip that memory is measured of"""
    size, frames, rounds = (PUBLISHED, FULL_FRAMES, FULL_ROUNDS) if published else (SMALL, FRAMES, ROUNDS)
    yield from _swap(folder, size, frames, rounds)
    yield from memory(folder, longest)


def memory(folder: Path, longest: int) -> Iterator[Result]:
    """Peaks of processes that swap a short and a long clip; the swapper is tiny: what grows would be ours, not its."""
    save_files(folder, TINY)
    peaks = {count: float(run_child(CHILD, str(folder), str(count))) for count in (SHORT, longest)}
    told = f"{SHORT} frames of the same clip"
    yield Result("swap memory", peaks[longest], f"MiB, {longest}", told, peaks[SHORT], "lower")


def _swap(folder: Path, size: Size, frames: int, rounds: int) -> Iterator[Result]:
    save_files(folder, size)
    ours, theirs = Ours(folder), Theirs(folder)
    one, two = (list(clip(frames, faces)) for faces in (1, 2))
    turned = bgr(one)
    ours.run(lambda: iter(one), frames), theirs.run(turned[:2])  # warm
    ours.spent.clear(), theirs.spent.clear()
    took = _in_turns(
        rounds,
        lambda: ours.run(lambda: iter(one), frames),
        lambda: theirs.run(turned),
    )
    mine, baseline = (median(seconds for seconds, _ in times) for times in took)
    yield Result("faceswap", frames / mine, "frames/s", "FaceAnalysis.get + INSwapper.get", frames / baseline, "higher")
    mine, baseline = (median(busy for _, busy in times) * 1000 / frames for times in took)
    yield Result("  processor", mine, "ms/frame", "theirs; of all cores, waiting threads too", baseline, "lower")

    per_frame = 1000 / (rounds * frames)
    for name in NETWORKS:
        spent = [loop.spent.calls.get(name, 0.0) * per_frame for loop in (ours, theirs)]
        yield Result(f"  {name}", spent[0], "ms/frame", "theirs; calls added up, ours overlap", spent[1], "lower")
    whole = [sum(seconds for seconds, _ in times) for times in took]
    outside = [(total - loop.spent.busy) * per_frame for total, loop in zip(whole, (ours, theirs), strict=True)]
    yield Result("  around", outside[0], "ms/frame", "theirs; while no network runs", outside[1], "lower")
    share = 100 * ours.spent.busy / whole[0]
    yield Result("swap share", share, "% network", "wanted at least", 70, "higher")

    found = list(ours.detect(iter(one), frames))
    tracks = ours.run(lambda: iter(one), frames)[1]
    made = np.concatenate(list(ours.swap(iter(one), frames, found, colour=0.0)))
    told = "wanted; inner face, our landmarks in both, no colour"
    drawn = np.stack(bgr(theirs.swap(turned, tracks, _performer(ours))))
    yield Result("swap alike", likeness_db(made, drawn, tracks), "dB", told, 45, "higher")

    ones, twos = _in_turns(
        max(2, rounds // 2), lambda: ours.run(lambda: iter(one), frames), lambda: ours.run(lambda: iter(two), frames)
    )
    one_ms, two_ms = (median(seconds for seconds, _ in times) * 1000 / frames for times in (ones, twos))
    yield Result("two faces", two_ms, "ms/frame", "one face", one_ms, "lower")


def _in_turns(rounds: int, *loops: Callable[[], object]) -> list[list[tuple[float, float]]]:
    """Of every loop, one after the other in each round: seconds, and seconds of processor time of all threads."""
    took: list[list[tuple[float, float]]] = [[] for _ in loops]
    for _ in range(rounds):
        for times, loop in zip(took, loops, strict=True):
            began, used = time.perf_counter(), time.process_time()
            loop()
            times.append((time.perf_counter() - began, time.process_time() - used))
    return took


def _performer(ours: Ours) -> np.ndarray:
    """What the recogniser says about the face in the photo, as our stage asks it."""
    from diffscaler.faceswap.photo import main_face

    face = main_face(ours.photo, ours.models["scrfd"], "face.png").near()
    return ours.models["arcface"].features(face.photo, face.landmarks)


def likeness_db(ours: np.ndarray, theirs: np.ndarray, tracks: list[object]) -> float:
    """How alike the drawn faces are, dB of peak over difference, between the eyes and the mouth."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    errors = []
    for track in tracks:
        for index in range(track.start, track.stop):
            points = track.landmarks[index - track.start]
            reach = 0.6 * np.linalg.norm(points[1] - points[0])
            inner = np.hypot(x - points[2][0], y - points[2][1]) < reach
            errors.append(((ours[index][inner].astype(float) - theirs[index][inner]) ** 2).mean())
    return float(10 * np.log10(255**2 / max(np.mean(errors), 1e-9)))
