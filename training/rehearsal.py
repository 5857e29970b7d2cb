"""A few throw-away steps of a run, for what no count tells: how long a step takes, and what it and its files take.

What was measured stays beside the run's folder, some kilobytes, and serves every later forecast of the same settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffscaler.jobs.child import EventFile
from diffscaler.jobs.throwaway import PREFIX, clear_killed, throwaway_folder
from training.config import TrainingConfig
from training.events import RunError, StopSignal
from training.launch import RUN, as_toml
from training.options import RunConfig

#: Steps of each stage: the first is slow, and the events of the next few are averaged.
STEPS = 8
ROOM = "room.json"
#: Drawn for them, of as many as the run draws.
SCENES = 16
LOOK_S = 0.3


def rehearse(
    config: RunConfig | TrainingConfig, stop: StopSignal, told: Callable[[dict[str, Any]], None] = lambda event: None
) -> Path | None:
    """Carry out STEPS steps of a run, with its samples where it draws some, and delete what they made; returns the
    folder of what was measured, None when it was stopped. Encoded clips stay in their cache, for the run itself.

    told: called with every event of the steps, from a thread of its own
    Raises RunError when the run could not begin either.
    """
    settings = config.model_dump_json(exclude={"output_dir"})
    beside = Path(config.output_dir).absolute().parent
    kept = beside / f"{PREFIX}{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
    clear_killed(beside)
    try:
        with throwaway_folder(beside, kept.name.removeprefix(PREFIX)) as folder:
            return kept if _carried_out(config, folder, kept, stop, told) else None
    except KeyboardInterrupt:
        return None
    except OSError as error:
        raise RunError(
            f"What was measured could not be kept: {error.strerror or error}.", "Make room, or leave --measure away."
        ) from error


def _carried_out(
    config: RunConfig | TrainingConfig,
    folder: Path,
    kept: Path,
    stop: StopSignal,
    told: Callable[[dict[str, Any]], None],
) -> bool:
    """Carry the steps out in `folder` and write what they took to `kept`; False when that was stopped."""
    from training.commands import run
    from training.compute import Compute
    from training.peak import peak_bytes

    short = shortened(config, folder)
    with following(folder / "events.jsonl", told):
        made = run(short, stop)
    if made is None or stop:
        return False
    device = Compute.choose(config.device).device
    fewer = isinstance(short, TrainingConfig) and device.type != "cuda" and short.num_scenes < config.num_scenes  # type: ignore[union-attr]
    room = {
        # After the samples, which take memory of their own.
        "peak_memory_bytes": peak_bytes(device),
        "checkpoint_bytes": _newest(folder),
        "model_bytes": size_of(made) if made.is_dir() else made.stat().st_size,
        "scenes": short.num_scenes if fewer else 0,  # type: ignore[union-attr]
    }
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    (kept / ROOM).write_text(json.dumps(room), encoding="utf-8")
    # As it will be asked for: the short one differs in what a forecast passes over.
    (kept / RUN).write_text(as_toml(config), encoding="utf-8")
    os.replace(folder / "events.jsonl", kept / "events.jsonl")
    return True


@contextmanager
def following(path: Path, told: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Inside, `told` hears every event that is written to a file."""
    over, events = threading.Event(), EventFile(path)

    def look() -> None:
        while True:
            last = over.wait(LOOK_S)
            for event in events.new():
                told(event)
            if last:
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
        # How long a step takes does not hang on them, and drawing all of them for nothing takes minutes.
        changed["num_scenes"] = min(SCENES, config.num_scenes)
    return config.model_copy(update={"output_dir": str(folder), **changed})


def size_of(folder: Path) -> int:
    """Bytes of a folder's files; those that are links to another model's take none."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(stat.st_size for stat in (file.stat() for file in files) if stat.st_nlink == 1)


def _newest(folder: Path) -> int:
    """Bytes of the last checkpoint, of either loop; 0 when there is none."""
    found = sorted((folder / "checkpoints").glob("step-*")) or [folder / "checkpoint"]
    return size_of(found[-1])
