"""Carries a task through accelerate: updates, checkpoints, samples, held-out losses, and a stop at any step."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from training.blocks import eager
from training.checkpoint import replacing
from training.ema import Ema
from training.events import RunError, StopSignal
from training.health import MOST_SKIPPED, Health
from training.keeper import Keeper
from training.launch import ACCELERATE, RUN, write_launch, write_run
from training.log import RunLog
from training.optimizer import make_optimizer, set_lr
from training.options import RunConfig
from training.schedules import lr_factor, peak_lr
from training.snapshot import random_kept
from training.task import Task
from training.validation import held_out_loss, sample_sheet

#: A loss that is scaled by less than this overflows by itself, not by its scale.
LEAST_SCALE = 1.0


class TaskModule(nn.Module):
    """A task as one module whose forward pass is its loss, so that accelerate can share it among processes."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.networks = nn.ModuleDict(task.modules())

    def forward(self, batch: Any, generator: torch.Generator) -> Tensor:
        return self.task.loss(batch, generator)


class Trainer:
    """One process's part of a run. accelerator: accelerate's; total: updates of the whole run, see `total_steps`."""

    def __init__(self, task: Task, config: RunConfig, accelerator: Any, stop: StopSignal) -> None:
        self.task, self.config, self.accelerator, self.stop = task, config, accelerator, stop
        self.output_dir = Path(config.output_dir)
        self.total = total_steps(config, task, accelerator.num_processes)
        self.step, self.held_out = 0, float("nan")
        self.health = Health(config.divergence_factor)
        self.log = RunLog(accelerator, self.output_dir / "events.jsonl", self.total, config.recipe)
        self.parameters = task.trainable()
        self.lr = peak_lr(config, accelerator.num_processes)
        self.ema = Ema(self.parameters, config.ema_decay) if config.ema else None
        raw = make_optimizer(config, [p for _, p in self.parameters], self.lr)
        self.network, self.optimizer = accelerator.prepare(TaskModule(task), raw)
        self.keeper = Keeper(self)

    def run(self) -> bool:
        """Train from the last checkpoint to the end and export. Returns False when it was stopped before."""
        config = self.config
        self.log.start(
            seed=config.seed,
            clips=self.task.num_examples(),
            trained={"tensors": len(self.parameters), "parameters": sum(p.numel() for _, p in self.parameters)},
            processes=self.accelerator.num_processes,
            device=str(self.accelerator.device),
            number_format=config.mixed_precision,
        )
        self.keeper.restore()
        self.leave_options()
        self.networks(train=True)
        if self.step == 0 and config.run_validation_at_start:
            self.look()
        while self.step < self.total:
            if self.should_stop():
                self.keeper.save()
                self.export()
                self.log.write("stopped", model=str(self.model))
                return False
            self.update()
            last = self.step == self.total
            if config.validate_every_steps and (self.step % config.validate_every_steps == 0 or last):
                self.look()
            due = self.step % config.save_n_steps == 0 and self.step >= config.save_starting_step
            if due or last:
                self.keeper.save()
        self.export()
        self.log.write("done", model=str(self.model))
        return True

    @property
    def model(self) -> Path:
        """Where the finished model goes."""
        return self.output_dir / "model"

    def leave_options(self) -> None:
        """Write what this sitting of the run was told into its folder: it may be other than what the last one was.

        accelerate's file is left as it is where there is one: people fit it to their machines.
        """
        if not self.accelerator.is_main_process:
            return
        try:
            if self.accelerator.num_processes > 1 or (self.output_dir / ACCELERATE).exists():
                write_run(self.config, self.output_dir)
            else:
                self.log.write("launch", command=write_launch(self.config, self.output_dir))
        except OSError as error:  # a full disk: the run itself may still end well
            self.log.warn(
                self.step, f"{RUN} could not be written, and says what an earlier start did: {error.strerror}."
            )

    def update(self) -> None:
        """One step of the optimizer: its batches, their gradients, and the guards."""
        config, parts = self.config, self.config.gradient_accumulation_steps
        began, loading, total = time.perf_counter(), 0.0, 0.0
        lr = self.lr * lr_factor(config, self.step, self.total)
        set_lr(self.optimizer, lr)
        for part in range(parts):
            index = self.step * parts + part
            before = time.perf_counter()
            batch = self.task.batch(index)
            loading += time.perf_counter() - before
            # Gradients of several processes are brought together once, with the last part.
            alone: AbstractContextManager[Any] = (
                nullcontext() if part == parts - 1 else self.accelerator.no_sync(self.network)
            )
            with alone:
                loss = self.network(batch, self.generator(index))
                self.accelerator.backward(loss / parts)
            total += float(loss.detach()) / parts
        norm = self.clipped()
        loss = float(self.accelerator.reduce(torch.tensor(total, device=self.accelerator.device), "mean"))
        whole = np.isfinite(loss) and np.isfinite(norm)
        if whole or self.accelerator.scaler:  # fp16's scaler leaves a step out by itself, and learns from it
            self.optimizer.step()
        if whole and self.ema:
            self.ema.update()
        self.optimizer.zero_grad()
        self.step += 1
        self.watch(loss, norm)
        self.log.step(self.step, loss, lr, norm, loading, time.perf_counter() - began)

    def clipped(self) -> float:
        """The gradient's norm before it is clipped; it is finite in all processes or in none."""
        limit = self.config.max_grad_norm or float("inf")
        return float(self.accelerator.clip_grad_norm_([p for _, p in self.parameters], limit))

    def watch(self, loss: float, norm: float) -> None:
        """The guards. Raises RunError when training makes no sense any more."""
        if (scaler := self.accelerator.scaler) and np.isfinite(loss) and not np.isfinite(norm):
            # Scaled gradients went beyond fp16: the scaler leaves the step out and halves its scale, as it does in
            # every run until it has found it.
            if scaler.get_scale() < LEAST_SCALE:
                raise RunError(
                    f"The gradients go beyond fp16 at every scale, up to step {self.step}.",
                    f"Use mixed_precision = bf16, or no. {self.keeper.whats_kept()}",
                )
        elif not (np.isfinite(loss) and np.isfinite(norm)):
            give_up = self.health.skip()
            self.log.warn(self.step, f"Step {self.step} was left out: its loss is {loss:g}, its gradient {norm:g}.")
            if give_up:
                raise RunError(
                    f"The loss is no number in {MOST_SKIPPED} steps in a row, up to step {self.step}.",
                    f"Use a smaller learning rate or mixed_precision = no. {self.keeper.whats_kept()}",
                )
        elif self.health.add(loss):
            good = self.keeper.keep_good()
            now, best = self.health.smoothed, self.health.lowest
            text = f"The loss runs away: {now:.3g} on average, after {best:.3g} at its best."
            self.log.warn(self.step, f"{text} {good}")
            if self.config.on_divergence == "stop":
                raise RunError(text, f"Use a smaller learning rate. {good}")

    def look(self) -> None:
        """Held-out loss and samples of the present (averaged) weights; both leave the run's random numbers alone."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.networks(train=False)
            with random_kept(), self.averaged():
                if batches := self.task.held_out():
                    with self.accelerator.autocast():
                        self.held_out = held_out_loss(self.task, batches, self.config.seed)
                    self.log.held_out(self.step, self.held_out)
                self.draw()
            self.networks(train=True)
        self.accelerator.wait_for_everyone()

    def draw(self) -> None:
        """Samples; a disk that takes none costs them, not the run."""
        try:
            sheet = sample_sheet(self.task, self.config, self.output_dir / "samples", self.step)
        except OSError as error:
            self.log.warn(self.step, f"The samples of step {self.step} could not be saved: {error.strerror}.")
            return
        if sheet:
            self.log.write("sample", step=self.step, path=str(sheet))

    def export(self) -> None:
        """Write the model folder, whole or not at all. Raises RunError when it cannot be written."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.networks(train=False)
            try:
                with self.averaged(), replacing(self.model) as part:
                    self.task.export(part)
            except (OSError, SafetensorError) as error:
                raise RunError(
                    f"The model could not be written: {getattr(error, 'strerror', None) or error}.",
                    f"Make room and start the run again: nothing is trained twice. {self.keeper.whats_kept()}",
                ) from error
        self.accelerator.wait_for_everyone()

    def should_stop(self) -> bool:
        """Whether any process was asked to; all of them hear the same answer."""
        asked = bool(self.stop)
        if self.accelerator.num_processes == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)

    def networks(self, train: bool) -> None:
        """Put what trains into training or drawing mode."""
        for module in self.task.modules().values():
            module.train(train)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the weights are their average, where there is one, and nothing is compiled."""
        inside = ExitStack()
        inside.enter_context(eager(getattr(self.config, "compile", False)))
        if self.ema:
            inside.enter_context(self.ema.applied())
        return inside

    def generator(self, index: int) -> torch.Generator:
        """The random numbers of one batch, on the CPU: the same on every device."""
        words = np.random.SeedSequence([self.config.seed, index, self.accelerator.process_index]).generate_state(1)
        return torch.Generator().manual_seed(int(words[0]))


def total_steps(config: RunConfig, task: Task, processes: int) -> int:
    """Updates of a whole run: `max_train_steps`, or fewer when `num_train_epochs` ends before."""
    if not config.num_train_epochs:
        return config.max_train_steps
    per_step = config.train_batch_size * config.gradient_accumulation_steps * processes
    return max(1, min(config.max_train_steps, -(-task.num_examples() * config.num_train_epochs // per_step)))
