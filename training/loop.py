"""Runs the stages of a recipe: steps, log, samples, checkpoints, stop and resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from training.checkpoint import newest, replacing
from training.events import EventLog, RunError, StopSignal
from training.peak import peak_bytes


class Stage(Protocol):
    """One part of a recipe, with its own objective and optimiser."""

    name: str
    total: int
    optimizer: torch.optim.Optimizer

    def step(self, index: int) -> tuple[float, float]:
        """Do step `index` (0-based) and return (loss, learning rate). All chance comes from the seed and the index,
        so that a resumed run needs no saved random state."""
        ...

    def save(self, folder: Path) -> None:
        """Write the weights to an empty folder."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...

    def sample(self) -> np.ndarray | None:
        """A picture of what has been learnt, uint8 RGB (H, W, 3)."""
        ...

    def finish(self) -> None:
        """Called once after the last step."""
        ...


@dataclass
class Schedule:
    """How often the loop saves and shows."""

    checkpoint_every: int
    sample_every: int


#: At most this many steps, or seconds, between two "step" events.
LOG_EVERY, LOG_SECONDS = 5, 10.0


class Loop:
    """Carries stages from where the last run stopped to the end."""

    def __init__(self, output_dir: Path, schedule: Schedule, stop: StopSignal) -> None:
        self.output_dir, self.schedule, self.stop = output_dir, schedule, stop
        self.events = EventLog(output_dir / "events.jsonl")
        self.checkpoint = output_dir / "checkpoint"

    def saved_state(self) -> dict[str, Any] | None:
        """{"stage", "step"} of the last checkpoint; None on a first run."""
        folder = newest(self.checkpoint)
        return json.loads((folder / "state.json").read_text(encoding="utf-8")) if folder else None

    def run(self, builders: list[tuple[str, int, Callable[[], Stage]]], **about: Any) -> bool:
        """Run the stages in order. builders: (name, steps, build); a stage is built when its turn comes.

        Returns True at the end, False when it was stopped.
        """
        total = sum(steps for _, steps, _ in builders)
        self.events.write("start", total=total, stages={name: steps for name, steps, _ in builders}, **about)
        state = self.saved_state()
        names = [name for name, steps, _ in builders if steps > 0]
        if state and state["stage"] not in names:
            raise RunError(
                f"The checkpoint in {self.output_dir} is at the stage {state['stage']}, which this run skips.",
                "Use another output folder, or give that stage its steps back.",
            )
        done = 0
        for name, steps, build in builders:
            if steps == 0 or (state and names.index(name) < names.index(state["stage"])):
                done += steps
                continue
            stage = build()
            first = 0
            if state and state["stage"] == name:
                first = min(state["step"], steps)
                self._restore(stage)
                self.events.write("resumed", step=done + first, total=total, stage=name)
            if not self._run_stage(stage, first, done, total):
                return False
            stage.finish()
            done += steps
        return True

    def _run_stage(self, stage: Stage, first: int, done: int, total: int) -> bool:
        losses: list[float] = []
        started = said = time.monotonic()
        for i in range(first, stage.total):
            if self.stop:
                self._save(stage, i)
                return False
            loss, lr = stage.step(i)
            if not np.isfinite(loss):
                raise RunError(f"The loss became {loss} at step {i} of {stage.name}.", "Use a smaller learning rate.")
            losses.append(loss)
            last = i + 1 == stage.total
            if len(losses) == LOG_EVERY or last or time.monotonic() - said > LOG_SECONDS:
                said = time.monotonic()
                self.events.write(
                    "step",
                    step=done + i + 1,
                    total=total,
                    stage=stage.name,
                    stage_step=i + 1,
                    loss=round(float(np.mean(losses)), 5),
                    lr=lr,
                    seconds=round(said - started, 3),
                    peak_memory_bytes=peak_bytes(stage.optimizer.param_groups[0]["params"][0].device),
                )
                losses.clear()
            if (i + 1) % self.schedule.checkpoint_every == 0 or last:
                self._save(stage, i + 1)
                self.events.write("checkpoint", step=done + i + 1, path=str(self.checkpoint))
            if self.schedule.sample_every and ((i + 1) % self.schedule.sample_every == 0 or last):
                self._sample(stage, done + i + 1)
        return True

    def _save(self, stage: Stage, step: int) -> None:
        with replacing(self.checkpoint) as part:
            stage.save(part)
            torch.save(stage.optimizer.state_dict(), part / "optimizer.pt")
            (part / "state.json").write_text(json.dumps({"stage": stage.name, "step": step}), encoding="utf-8")

    def _restore(self, stage: Stage) -> None:
        folder = newest(self.checkpoint)
        assert folder is not None
        stage.load(folder)
        state = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
        for saved, group in zip(state["param_groups"], stage.optimizer.param_groups, strict=True):
            saved["factor"] = group["factor"]  # the configuration may have changed since
        stage.optimizer.load_state_dict(state)

    def _sample(self, stage: Stage, step: int) -> None:
        picture = stage.sample()
        if picture is not None:
            path = self.output_dir / "samples" / f"{stage.name}-{step:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
            self.events.write("sample", step=step, path=str(path))
