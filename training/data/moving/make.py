"""`python -m training make shapes|digits|scenes -o DATASET`: draw clips, and prepare them like any others."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from diffscaler.datasets.edits import set_thresholds
from diffscaler.datasets.selection import Thresholds
from diffscaler.errors import DiffScalerError
from training.data.command import STOPPED, summary
from training.data.options import Options
from training.data.prepare import prepare
from training.data.reporting import Report
from training.events import EventLog, Preparing, RunError, Stopped, StopSignal
from training.lock import only_run_in

#: Draws of a clip by chance before one that another clip has already is taken again.
TRIES = 60

#: Drawn clips are what they are meant to be: nothing is left out for how it measures.
ALL = Thresholds(text_max=None, brightness_min=None, seconds_min=None, stills=True, duplicates=True)


@dataclass(frozen=True)
class Drawn:
    """A clip that is about to be drawn. draw: (size, frames) -> uint8 RGB (F, size, size, 3)"""

    captions: tuple[str, ...]
    draw: Callable[[int, int], npt.NDArray[np.uint8]]


def shapes(rng: np.random.Generator) -> Drawn:
    from training.data.moving.shapes import caption_of, draw_clip, draw_spec

    spec = draw_spec(rng)
    return Drawn((caption_of(spec),), lambda size, frames: draw_clip(spec, size, frames))


def digits(rng: np.random.Generator) -> Drawn:
    from training.data.moving.digits import caption_of, draw_clip, draw_spec

    spec = draw_spec(rng)
    return Drawn((caption_of(spec),), lambda size, frames: draw_clip(spec, size, frames))


def scenes(rng: np.random.Generator) -> Drawn:
    """The scenes that the built-in model learnt from. Raises RunError where their font is missing."""
    from training.scenes.captions import caption_of
    from training.scenes.glyphs import FontMissing, find_font
    from training.scenes.render import render_clip
    from training.scenes.spec import draw_spec

    try:
        find_font()
    except FontMissing as error:
        raise RunError(str(error), "Install it, or set NOTO_COLOR_EMOJI to the path of the font file.") from None
    spec = draw_spec(int(rng.integers(2**31)))
    return Drawn((caption_of(spec),), lambda size, frames: render_clip(spec, size, frames)[0])


KINDS: dict[str, Callable[[np.random.Generator], Drawn]] = {"shapes": shapes, "digits": digits, "scenes": scenes}


def drawn(kind: str, count: int, seed: int) -> Iterator[Drawn]:
    """So many clips of a kind, no two with the same caption while there are others left."""
    rng, seen = np.random.default_rng([seed, 17]), set[tuple[str, ...]]()
    for _ in range(count):
        for _ in range(TRIES):
            clip = KINDS[kind](rng)
            if clip.captions not in seen:
                break
        seen.add(clip.captions)
        yield clip


def write_clip(folder: Path, clip: Drawn, size: int, num_frames: int) -> None:
    """A folder of frames with its prompt.txt, whole or not at all; one that is there stays as it is."""
    if folder.is_dir():
        return
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for i, frame in enumerate(clip.draw(size, num_frames)):
        Image.fromarray(frame).save(part / f"frame{i}.png")
    (part / "prompt.txt").write_text("\n".join(clip.captions) + "\n", encoding="utf-8")
    os.replace(part, folder)


def make(kind: str, output: Path, count: int, seed: int, size: int, num_frames: int, stop: StopSignal) -> str:
    """Draw a data set and prepare it; returns what was found. Raises RunError, Stopped."""
    events = EventLog(output / "events.jsonl")
    clips = output / "clips" / f"{kind}-{size}-{num_frames}-seed{seed}"
    said = Preparing(events, stop, "drawing", count, 16)
    for i, clip in enumerate(drawn(kind, count, seed)):
        write_clip(clips / f"{i:05d}", clip, size, num_frames)
        said(i + 1)
    made = prepare(output / "clips", output, Options(), Report(events), lambda: bool(stop), os.cpu_count() or 1)
    if made.thresholds == Thresholds():
        made = set_thresholds(output, ALL)
    return summary(made)


def main(arguments: list[str]) -> int:
    """Exit status 0, 1 with a sentence on stderr, or 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m training make", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--count", type=int, default=500, help="clips to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--frames", type=int, default=16, help="of a clip, shown at 8 a second")
    at = parser.parse_args(arguments)
    if not 1 <= at.count <= 1_000_000 or not 16 <= at.size <= 1024 or not 2 <= at.frames <= 512 or at.seed < 0:
        parser.error("--count, --size (16 to 1024), --frames (2 to 512) or --seed is out of range")
    stop = StopSignal()
    stop.install()
    cv2.setNumThreads(1)
    try:
        with only_run_in(at.output, stop):
            print(make(at.kind, at.output, at.count, at.seed, at.size, at.frames, stop))
    except Stopped:
        EventLog(at.output / "events.jsonl").write("stopped")
        return STOPPED
    except (RunError, DiffScalerError) as error:
        message = error.message if isinstance(error, DiffScalerError) else str(error)
        EventLog(at.output / "events.jsonl").write("error", message=message, hint=error.hint)
        print(f"{message} {error.hint}".strip(), file=sys.stderr)
        return 1
    return 0
