"""Carries out a run of the trainer: accelerate, the recipe's task, and its end however it comes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from training.compute import Compute
from training.events import EventLog, RunError, Stopped, StopSignal
from training.options import RunConfig
from training.recipes import RECIPES
from training.reports import begin_report, check_reporter
from training.task import Place
from training.trainer import Trainer

LOWER = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def carry_out(config: RunConfig, stop: StopSignal) -> Path | None:
    """Train; returns the model folder, None when the run was stopped. Raises RunError."""
    check_reporter(config)
    accelerator = make_accelerator(config)
    events = EventLog(Path(config.output_dir) / "events.jsonl")

    def preparing(what: str, done: int, total: int) -> None:
        if accelerator.is_main_process:
            events.write(what, done=done, clips=total)
        if stop:
            raise Stopped

    try:
        # New tensors of a recipe (a LoRA, temporal layers) are the same in all processes.
        torch.manual_seed(config.seed)
        place = Place(
            accelerator.device,
            Path(config.output_dir),
            LOWER[config.mixed_precision],
            accelerator.process_index,
            accelerator.num_processes,
            preparing,
        )
        task = RECIPES[config.recipe].make(config, place)
        torch.manual_seed(config.seed + accelerator.process_index)
        begin_report(accelerator, config)
        trainer = Trainer(task, config, accelerator, stop)
        return trainer.model if trainer.run() else None
    finally:
        accelerator.end_training()
        release_state()


def make_accelerator(config: RunConfig) -> Any:
    """accelerate's, on the device the configuration asks for, or on those `accelerate launch` gives out.

    Raises RunError when the device or the number format is not there.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs

    compute = Compute.choose(config.device)
    if compute.device.type == "cpu" and config.mixed_precision == "fp16":
        raise RunError("A CPU does not train in fp16.", "Use bf16, or no.")
    release_state()
    if compute.device.type == "cuda" and compute.device.index:
        torch.cuda.set_device(compute.device)
    try:
        return Accelerator(
            mixed_precision=config.mixed_precision,
            cpu=compute.device.type == "cpu",
            log_with=None if config.report_to == "none" else config.report_to,
            project_dir=str(Path(config.output_dir) / config.logging_dir),
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=timedelta(seconds=config.nccl_timeout)),
                DistributedDataParallelKwargs(find_unused_parameters=True),
            ],
        )
    except ValueError as error:
        raise RunError(f"{config.mixed_precision} does not work on {compute.name}: {error}", "Use no.") from None


def release_state() -> None:
    """accelerate keeps its choices for the whole process; the next run in it (a test's) makes its own."""
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
