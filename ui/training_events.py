"""The trainer's event file, read for the page: its losses, its latest figures, samples and warnings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 4 * 2**20

#: Fields of a "step" event that are shown as figures; memory_bytes is what earlier versions wrote, no peak everywhere.
FIGURES = ("lr", "grad_norm", "steps_per_second", "peak_memory_bytes", "memory_bytes", "seconds_left", "loading_share")


@dataclass
class RunSoFar:
    """points: (step, loss, stage) in order; held_out: (step, loss); samples: (step, path), the latest last
    figures: of the last step that had them, see FIGURES; warnings: (step, sentence), the latest last
    about: what the run said when it began: recipe, clips, device, trained, ..."""

    total: int = 0
    points: list[tuple[int, float, str]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    samples: list[tuple[int, Path]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    last: str = ""


def read_run(output_dir: Path) -> RunSoFar:
    """All that events.jsonl says. A line that is still being written, or is broken, is passed over."""
    run = RunSoFar()
    file = output_dir / "events.jsonl"
    if not file.is_file():
        return run
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - MAX_BYTES))
        for line in lines:
            try:
                event: dict[str, Any] = json.loads(line)
                add(run, event)
            except (ValueError, KeyError, TypeError):
                continue
    return run


def add(run: RunSoFar, event: dict[str, Any]) -> None:
    kind = event["event"]
    run.last = kind
    if kind == "start":
        run.about, run.figures = event, {}
    elif kind == "step":
        step = int(event["step"])
        while run.points and run.points[-1][0] >= step:  # a resumed run repeats what followed its checkpoint
            run.points.pop()
        run.points.append((step, float(event["loss"]), str(event.get("stage", ""))))
        run.total = int(event["total"])
        run.figures = {name: float(event[name]) for name in FIGURES if name in event}
    elif kind == "held-out":
        step = int(event["step"])
        while run.held_out and run.held_out[-1][0] >= step:
            run.held_out.pop()
        run.held_out.append((step, float(event["loss"])))
    elif kind == "sample":
        run.samples.append((int(event.get("step", 0)), Path(event["path"])))
    elif kind == "warning":
        run.warnings.append((int(event.get("step", 0)), str(event["message"])))
    elif kind == "resumed" and (changed := event.get("changed")):
        sentence = f"It goes on from step {int(event['step'])} with other settings: {', '.join(map(str, changed))}."
        run.warnings.append((int(event["step"]), sentence))
