"""`python -m training prepare FOLDER -o DATASET`."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields, replace
from math import isfinite
from pathlib import Path

import cv2

from diffscaler.datasets.edits import set_thresholds
from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.selection import Thresholds, reasons
from diffscaler.datasets.unscored import not_applied
from diffscaler.errors import DiffScalerError
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.scorers import how_to_get, lacking
from diffscaler.settings import read_settings
from training.data.options import Options
from training.data.prepare import prepare
from training.data.reporting import Report
from training.data.scorers import Models
from training.events import EventLog, RunError, Stopped, StopSignal
from training.lock import only_run_in

STOPPED = 130

#: Fields of Thresholds that are numbers.
LIMITS = [field.name for field in fields(Thresholds) if field.name.endswith(("_min", "_max"))]


def main(arguments: list[str]) -> int:
    """Prepare a folder and say what was found; exit status 0, 1 with a sentence on stderr, or 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m training prepare", description=__doc__)
    parser.add_argument("folder", type=Path, help="clips, or a list of captions (CSV, JSON, JSON Lines) beside them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the data set; the same one goes on")
    parser.add_argument("--folder-fps", type=float, default=Options.folder_fps, help="rate of folders of frames")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="clips read at once")
    parser.add_argument(
        "--clip-model", default="", metavar="NAME", help="what scores captions: the one installed; none"
    )
    parser.add_argument(
        "--aesthetics-model", default="", metavar="NAME", help="what rates pictures: the one installed; none"
    )
    parser.add_argument("--device", default="", help="of these two: cpu, cuda, cuda:1 or mps; the best one that works")
    parser.add_argument(
        "--limit", action="append", default=[], type=limit, metavar="NAME=VALUE",
        help=f"what a shot must reach or stay below, kept with the data set; none: no limit. Of {', '.join(LIMITS)}",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if not 0 < options.folder_fps <= 1000 or not 0 < options.workers <= 256:
        parser.error("--folder-fps and --workers must be above 0")
    stop = StopSignal()
    stop.install()
    cv2.setNumThreads(1)  # clips are read side by side; threads within one would only get in each other's way
    events = EventLog(options.output / "events.jsonl")
    try:
        with only_run_in(options.output, stop):
            settings = read_settings()
            models = Models.choose(settings, options.clip_model, options.aesthetics_model, options.device)
            check_limits(dict(options.limit), models)
            made = prepare(
                options.folder, options.output, Options(options.folder_fps), Report(events), lambda: bool(stop),
                options.workers, models,
            )  # fmt: skip
            if options.limit:
                limits = replace(made.thresholds, **dict(options.limit))
                made = set_thresholds(options.output, limits, made)
    except Stopped:
        events.write("stopped")
        print("Stopped. What is done is kept; the same command goes on.", file=sys.stderr)
        return STOPPED
    except (RunError, DiffScalerError) as error:
        message = error.message if isinstance(error, DiffScalerError) else str(error)
        events.write("error", message=message, hint=error.hint)
        print(f"{message} {error.hint}".strip(), file=sys.stderr)
        return 1
    print(summary(made, lacking(Catalogue(settings), made.scorers)))
    return 0


def limit(text: str) -> tuple[str, float | None]:
    """NAME=VALUE as argparse reads it: a limit of Thresholds and its value, None for none."""
    name, _, value = text.partition("=")
    try:
        number = None if value == "none" else float(value)
    except ValueError:
        number = float("nan")
    if name not in LIMITS or (number is not None and not isfinite(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE; names: {', '.join(LIMITS)}")
    return name, number


def check_limits(limits: dict[str, float | None], models: Models | None) -> None:
    """Raise RunError for a limit on a score that nothing here measures."""
    scores = {"clip_min": "clip", "aesthetics_min": "aesthetics"}
    for name, score in scores.items():
        if limits.get(name) is not None and score not in (models.titles if models else {}):
            raise RunError(
                f"{name} limits a score that no model here gives.",
                how_to_get() if score == "clip" else "Put LAION's predictor into models/aesthetics.",
            )


def summary(made: Manifest, lacking: str = "") -> str:
    """What was found, for a terminal. lacking: see models.scorers.lacking"""
    shots = list(made.shots())
    kept = sum(1 for _ in made.kept())
    lines = [f"{len(made.clips)} clips ({made.layout}), {len(shots)} shots, {kept} kept."]
    left = [reason for _, shot in shots for reason in reasons(shot, made.thresholds)]
    lines += [f"  {left.count(reason)} left out: {reason}" for reason in dict.fromkeys(left)]
    bare = sum(not clip.captions_of(shot) for clip, shot in made.kept())
    lines += [f"  {bare} without a caption"] if bare else []
    lines += [f"  {sentence}" for sentence in not_applied(made)]
    lines += [f"  {lacking}"] if lacking else []
    lines += [f"  {fault.where}: {fault.sentence}" for fault in made.faults[:20]]
    more = len(made.faults) - 20 + made.more_faults
    return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])
