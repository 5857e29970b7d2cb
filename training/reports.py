"""Who else hears of a run: TensorBoard, wandb or trackio, through accelerate."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training.events import RunError
from training.options import RunConfig


def check_reporter(config: RunConfig) -> None:
    """Raises RunError when the one asked for is not installed."""
    if config.report_to != "none" and find_spec(config.report_to) is None:
        raise RunError(
            f"{config.report_to} is not installed.",
            f"Install it with pip install {config.report_to}, or set report_to to none.",
        )


def log_of(config: RunConfig) -> Any:
    """What accelerate's `log_with` takes for it."""
    if config.report_to == "none":
        return None
    if config.report_to == "tensorboard":
        # accelerate looks for a distribution of that name, and passes over tb-nightly, which realesrgan brings.
        from accelerate.tracking import TensorBoardTracker

        return TensorBoardTracker(run_name(config), Path(config.output_dir) / config.logging_dir)
    return config.report_to


def run_name(config: RunConfig) -> str:
    """As logs call it: the name given, or the output folder's."""
    return config.run_name or Path(config.output_dir).resolve().name


def begin_report(accelerator: Any, config: RunConfig) -> None:
    """Open the log; call it once everything else is ready. Raises RunError when accelerate passed over it."""
    if config.report_to == "none":
        return
    name, folder = run_name(config), Path(config.output_dir) / config.logging_dir
    folder.mkdir(parents=True, exist_ok=True)
    # Else wandb writes where the program was started, and trackio into the home folder; it settles that as it is
    # imported.
    own = {
        "wandb": {"wandb": {"name": name, "dir": os.environ.get("WANDB_DIR", str(folder))}},
        "trackio": {"trackio": {"name": name}},
    }
    os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
    # TensorBoard takes nothing else as a run's settings.
    settings = {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in config.model_dump().items()
    }
    accelerator.init_trackers(config.project_name, config=settings, init_kwargs=own.get(config.report_to, {}))
    if not accelerator.trackers:
        raise RunError(f"{config.report_to} could not be opened.", "Install it again, or set report_to to none.")
