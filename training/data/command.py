"""`python -m training prepare FOLDER -o DATASET`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import cv2

from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.selection import reasons
from diffscaler.errors import DiffScalerError
from training.data.options import Options
from training.data.prepare import prepare
from training.data.reporting import Report
from training.events import EventLog, RunError, Stopped, StopSignal
from training.lock import only_run_in

STOPPED = 130


def main(arguments: list[str]) -> int:
    """Prepare a folder and say what was found; exit status 0, 1 with a sentence on stderr, or 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m training prepare", description=__doc__)
    parser.add_argument("folder", type=Path, help="clips, or a list of captions (CSV, JSON, JSON Lines) beside them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the data set; the same one goes on")
    parser.add_argument("--folder-fps", type=float, default=Options.folder_fps, help="rate of folders of frames")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="clips read at once")
    options = parser.parse_args(arguments)
    if not 0 < options.folder_fps <= 1000 or not 0 < options.workers <= 256:
        parser.error("--folder-fps and --workers must be above 0")
    stop = StopSignal()
    stop.install()
    cv2.setNumThreads(1)  # clips are read side by side; threads within one would only get in each other's way
    events = EventLog(options.output / "events.jsonl")
    try:
        with only_run_in(options.output, stop):
            made = prepare(
                options.folder, options.output, Options(options.folder_fps), Report(events), lambda: bool(stop),
                options.workers,
            )  # fmt: skip
    except Stopped:
        events.write("stopped")
        print("Stopped. What is done is kept; the same command goes on.", file=sys.stderr)
        return STOPPED
    except (RunError, DiffScalerError) as error:
        message = error.message if isinstance(error, DiffScalerError) else str(error)
        events.write("error", message=message, hint=error.hint)
        print(f"{message} {error.hint}".strip(), file=sys.stderr)
        return 1
    print(summary(made))
    return 0


def summary(made: Manifest) -> str:
    """What was found, for a terminal."""
    shots = list(made.shots())
    kept = sum(1 for _ in made.kept())
    lines = [f"{len(made.clips)} clips ({made.layout}), {len(shots)} shots, {kept} kept."]
    left = [reason for _, shot in shots for reason in reasons(shot, made.thresholds)]
    lines += [f"  {left.count(reason)} left out: {reason}" for reason in dict.fromkeys(left)]
    bare = sum(not clip.captions_of(shot) for clip, shot in made.kept())
    lines += [f"  {bare} without a caption"] if bare else []
    lines += [f"  {fault.where}: {fault.sentence}" for fault in made.faults[:20]]
    more = len(made.faults) - 20 + made.more_faults
    return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])
