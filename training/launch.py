"""The same run on more cards or machines: its configuration, accelerate's, and the command that starts it."""

from __future__ import annotations

import json
import os
import shlex
import uuid
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from diffscaler.models.device import count_cards
from training.events import RunError
from training.options import RunConfig

RUN, ACCELERATE = "run.toml", "accelerate.yaml"

#: In place of the address of the machine of rank 0, which nobody knows here; the port is torch's own.
FIRST_MACHINE, PORT = "FIRST-MACHINE", 29500


def write_launch(config: RunConfig, folder: Path, processes: int = 0, machines: int = 1) -> str:
    """Write RUN and ACCELERATE into a folder and return the command, to be given in the program's own folder.

    processes: on all machines together; 0: one for each card of this one. On several machines the command is given on
    each, with its rank (0, 1, ...) in place of the 0 and the address of the first in place of FIRST_MACHINE.
    Raises RunError when the processes cannot be shared out evenly.
    """
    cards = 0 if config.device == "cpu" else count_cards()
    processes = processes or max(1, cards) * machines
    if processes % machines:
        raise RunError(
            f"{processes} processes cannot be shared out among {machines} machines.",
            f"Every machine runs as many: ask for a multiple of {machines}.",
        )
    kind = "NO" if processes == 1 else "MULTI_GPU" if cards else "MULTI_CPU"
    about: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": kind,
        "mixed_precision": config.mixed_precision,
        "num_machines": machines,
        "num_processes": processes,
        "machine_rank": 0,
        "main_training_function": "main",
        "rdzv_backend": "static",
        "same_network": True,
        "use_cpu": not cards,
    }
    if machines > 1:
        about |= {"main_process_ip": FIRST_MACHINE, "main_process_port": PORT}
    folder.mkdir(parents=True, exist_ok=True)
    write_run(config, folder)
    # In quotes, for YAML reads a bare `no` as false.
    rows = "".join(f"{key}: {json.dumps(value)}\n" for key, value in about.items())
    (folder / ACCELERATE).write_text(rows, encoding="utf-8")
    run = f"-m training {shlex.quote(str(folder / RUN))}"
    if kind == "MULTI_CPU":  # accelerate's own launcher wants MPI for that
        where = f"--nnodes {machines} --node-rank 0 --master-addr {FIRST_MACHINE} --master-port {PORT} "
        return f"torchrun {where if machines > 1 else ''}--nproc-per-node {processes // machines} {run}"
    where = f"--machine_rank 0 --main_process_ip {FIRST_MACHINE} --main_process_port {PORT} "
    return (
        f"accelerate launch --config_file {shlex.quote(str(folder / ACCELERATE))} {where if machines > 1 else ''}{run}"
    )


def write_run(config: RunConfig, folder: Path) -> None:
    """Put a run's configuration into its folder as RUN, whole or not at all: the processes of a run read it as they
    start, and one of them may write it by then."""
    part = folder / f"{RUN}.{uuid.uuid4().hex}.part"
    try:
        part.write_text(as_toml(config), encoding="utf-8")
        os.replace(part, folder / RUN)
    finally:
        part.unlink(missing_ok=True)


def as_toml(config: BaseModel) -> str:
    """A [run] table that load_config reads as this very configuration."""
    values = config.model_dump(mode="json", exclude_none=True)  # TOML has no word for what is not given
    return "[run]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
