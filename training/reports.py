"""Who else hears of a run: TensorBoard, wandb or trackio, through accelerate."""

from __future__ import annotations

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


def begin_report(accelerator: Any, config: RunConfig) -> None:
    """Open the log; call it once everything else is ready."""
    if config.report_to == "none":
        return
    name = config.run_name or Path(config.output_dir).resolve().name
    own = {"wandb": {"wandb": {"name": name}}, "trackio": {"trackio": {"name": name}}}
    # TensorBoard takes nothing else as a run's settings.
    settings = {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in config.model_dump().items()
    }
    accelerator.init_trackers(config.project_name, config=settings, init_kwargs=own.get(config.report_to, {}))
