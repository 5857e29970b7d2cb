"""Carries out a run of the trainer: accelerate, the recipe's task, and its end however it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from training import snapshot
from training.checkpoint import replacing
from training.checkpoints import damage_of
from training.compute import Compute
from training.events import EventLog, RunError, Stopped, StopSignal
from training.lock import only_run_in
from training.options import RunConfig
from training.recipes import RECIPES
from training.reports import begin_report, check_reporter, log_of
from training.task import Place
from training.together import ending_together
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

    def warn(sentence: str) -> None:
        if accelerator.is_main_process:
            events.write("warning", step=0, message=sentence)

    place = Place(
        accelerator.device,
        Path(config.output_dir),
        LOWER[config.mixed_precision],
        accelerator.process_index,
        accelerator.num_processes,
        preparing,
        warn,
    )
    try:
        with ending_together(accelerator), _held(accelerator, place.folder, stop):
            # New tensors of a recipe (a LoRA, temporal layers) are the same in all processes.
            torch.manual_seed(config.seed)
            task = RECIPES[config.recipe].make(config, place)
            torch.manual_seed(config.seed + accelerator.process_index)
            begin_report(accelerator, config)
            trainer = Trainer(task, config, accelerator, stop)
            return trainer.model if trainer.run() else None
    finally:
        accelerator.end_training()
        release_state()


@contextmanager
def _held(accelerator: Any, folder: Path, stop: StopSignal) -> Iterator[None]:
    """Processes of one run share a folder; the first of them holds it against other runs, and the others wait for
    that. Raises RunError when another run holds it."""
    with only_run_in(folder, stop) if accelerator.is_main_process else nullcontext():
        accelerator.wait_for_everyone()
        yield


def export_checkpoint(folder: Path, model: Path) -> None:
    """Make a model folder of a checkpoint, with its averaged weights where it has some.

    Its clips are not needed: what matters of them is in it, but in checkpoints of older versions. Raises RunError when
    it is damaged, or the model it began with has gone or changed.
    """
    if (damage := damage_of(folder)) is not None:
        raise RunError(f"The checkpoint {folder.name} is damaged: {damage}.", "Use another one of this run.")
    said = snapshot.read_state(folder)["config"]
    other = RunError(
        f"The checkpoint {folder.name} was made by another version of the studio.", "Export it with that version."
    )
    if said.get("recipe") not in RECIPES:
        raise other
    try:
        # Nothing is looked at here: the words of samples need not be read.
        config = RECIPES[said["recipe"]].config_class().model_validate(said | {"validate_every_steps": 0})
    except ValidationError as error:
        raise other from error
    compute = Compute.choose(config.device)
    torch.manual_seed(config.seed)
    place = Place(compute.device, Path(config.output_dir), learns=False, known=snapshot.read_known(folder))
    try:
        task = RECIPES[config.recipe].make(config, place)
    except RunError as error:
        if place.known:
            raise
        raise RunError(
            str(error), "This checkpoint is of an older version: its clips must be where they were."
        ) from None
    try:
        snapshot.read_tensors(task.trainable(), task.modules(), folder)
        if (average := folder / snapshot.AVERAGE).is_file():
            snapshot.copy_into(dict(task.trainable()), load_file(average))
    except ValueError as error:
        raise RunError(
            f"The checkpoint {folder.name} does not fit the model it began with, or the words of its clips: {error}.",
            "Put both back as they were when the run began.",
        ) from error
    for module in task.modules().values():
        module.eval()
    with replacing(model) as part:
        task.export(part)


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
            log_with=log_of(config),
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
