"""The trainer's event file, read for the page: the loss so far and the latest samples."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_BYTES = 4 * 2**20


@dataclass
class RunSoFar:
    """points: (step, loss, stage) in order; samples: (step, path), the latest last"""

    total: int = 0
    points: list[tuple[int, float, str]] = field(default_factory=list)
    samples: list[tuple[int, Path]] = field(default_factory=list)
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
    if kind == "step":
        step = int(event["step"])
        while run.points and run.points[-1][0] >= step:  # a resumed run repeats what followed its checkpoint
            run.points.pop()
        run.points.append((step, float(event["loss"]), str(event.get("stage", ""))))
        run.total = int(event["total"])
    elif kind == "sample":
        run.samples.append((int(event.get("step", 0)), Path(event["path"])))
