"""What a run says while it runs: the events the page follows, and the reporter's curves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from training.events import EventLog
from training.peak import peak_bytes

#: At most this many steps, or seconds, between two "step" events.
LOG_STEPS, LOG_SECONDS = 5, 10.0


class RunLog:
    """Only the main process writes. total: steps of the whole run; stage: its name for the page."""

    def __init__(self, accelerator: Any, path: Path, total: int, stage: str) -> None:
        self.accelerator, self.total, self.stage = accelerator, total, stage
        self.events = EventLog(path) if accelerator.is_main_process else None
        self.rows: list[tuple[float, float, float, float]] = []  # loss, gradient norm, seconds loading, seconds
        self.began = time.monotonic()
        self.pace = 0.0

    def write(self, event: str, **fields: Any) -> None:
        if self.events:
            self.events.write(event, **fields)

    def start(self, **about: Any) -> None:
        self.write("start", total=self.total, stages={self.stage: self.total}, recipe=self.stage, **about)

    def warn(self, step: int, message: str) -> None:
        self.write("warning", step=step, message=message)

    def step(self, step: int, loss: float, lr: float, norm: float, loading: float, seconds: float) -> None:
        """Note one step; every few of them become an event with their averages, the speed and the most memory
        so far.

        loading: of the step's `seconds`, those spent on its batches
        """
        self.rows.append((loss, norm, loading, seconds))
        if not (len(self.rows) >= LOG_STEPS or step == self.total or sum(row[3] for row in self.rows) > LOG_SECONDS):
            return
        losses, norms, loads, times = (np.array(column) for column in zip(*self.rows, strict=True))
        self.rows.clear()
        # The last few events decide: a run's first step is slow, and a busy machine comes and goes.
        self.pace = (
            (times[1:] if len(times) > 1 else times).mean() if not self.pace else 0.7 * self.pace + 0.3 * times.mean()
        )
        good = np.isfinite(losses) & np.isfinite(norms)
        if not good.any():  # each was left out with a warning of its own; there is no loss to show
            return
        values = {
            "loss": round(float(losses[good].mean()), 6),
            "lr": lr,
            "grad_norm": round(float(norms[good].mean()), 5),
            "steps_per_second": round(1 / max(self.pace, 1e-9), 3),
            "loading_share": round(float(loads.sum() / max(times.sum(), 1e-9)), 4),
            "peak_memory_bytes": peak_bytes(self.accelerator.device),
        }
        self.write(
            "step", step=step, total=self.total, stage=self.stage, stage_step=step,
            seconds=round(time.monotonic() - self.began, 1), seconds_left=round(self.pace * (self.total - step), 1),
            **values,
        )  # fmt: skip
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=step)

    def held_out(self, step: int, loss: float) -> None:
        self.write("held-out", step=step, loss=round(loss, 6))
        self.accelerator.log({"held_out/loss": loss}, step=step)
