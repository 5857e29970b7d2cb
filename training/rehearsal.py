"""A few throw-away steps of a run, for what no count tells: how long a step takes, and what it and its files take.

What was measured stays beside the run's folder, some kilobytes, and serves every later forecast of the same settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.events import RunError, StopSignal
from training.launch import RUN, as_toml
from training.options import RunConfig

#: Steps of each stage: the first is slow, and the events of the next few are averaged.
STEPS = 8
#: Begins the name of a folder with what was measured; no model is called so.
PREFIX = ".measured-"
ROOM = "room.json"


def rehearse(config: RunConfig | TrainingConfig, stop: StopSignal) -> Path | None:
    """Carry out STEPS steps of a run, with its samples where it draws some, and delete what they made; returns the
    folder of what was measured, None when it was stopped. Encoded clips stay in their cache, for the run itself.

    Raises RunError when the run could not begin either.
    """
    from training.commands import run
    from training.compute import Compute
    from training.log import memory_bytes

    settings = config.model_dump_json(exclude={"output_dir"})
    beside = Path(config.output_dir).absolute().parent
    kept = beside / f"{PREFIX}{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
    folder = beside / f"{kept.name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        short = shortened(config, folder)
        made = run(short, stop)
        if made is None or stop:
            return None
        room = {
            # After the samples, which take memory of their own.
            "memory_bytes": memory_bytes(Compute.choose(config.device).device),
            "checkpoint_bytes": _newest(folder),
            "model_bytes": size_of(made) if made.is_dir() else made.stat().st_size,
        }
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        (kept / ROOM).write_text(json.dumps(room), encoding="utf-8")
        # As it will be asked for: the short one differs in what a forecast passes over.
        (kept / RUN).write_text(as_toml(config), encoding="utf-8")
        os.replace(folder / "events.jsonl", kept / "events.jsonl")
        return kept
    except OSError as error:
        raise RunError(
            f"What was measured could not be kept: {error.strerror or error}.", "Make room, or leave --measure away."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shortened(config: RunConfig | TrainingConfig, folder: Path) -> RunConfig | TrainingConfig:
    """The same run for STEPS steps of each stage that has any."""
    if isinstance(config, RunConfig):
        draws = config.validate_every_steps > 0 or config.run_validation_at_start
        changed: dict[str, Any] = {
            "max_train_steps": STEPS, "num_train_epochs": 0, "run_validation_at_start": False,
            "validate_every_steps": STEPS * draws, "save_n_steps": STEPS, "save_starting_step": 0, "report_to": "none",
        }  # fmt: skip
    else:
        stages = [name for name in type(config).model_fields if name.endswith("_steps")]
        changed = {name: min(STEPS, getattr(config, name)) for name in stages}
        changed |= {"checkpoint_every": STEPS, "sample_every": 0, "num_tests": 4}
    return config.model_copy(update={"output_dir": str(folder), **changed})


def size_of(folder: Path) -> int:
    """Bytes of a folder's files; those that are links to another model's take none."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(stat.st_size for stat in (file.stat() for file in files) if stat.st_nlink == 1)


def _newest(folder: Path) -> int:
    """Bytes of the last checkpoint, of either loop; 0 when there is none."""
    found = sorted((folder / "checkpoints").glob("step-*")) or [folder / "checkpoint"]
    return size_of(found[-1])
