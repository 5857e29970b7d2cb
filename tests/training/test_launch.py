"""The same run on several processes."""

from __future__ import annotations

import os
import random
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.training.test_trainer import events, weights
from tests.training.toy import ENTRY, ToyConfig, ToyTask
from training.config import load_config
from training.events import RunError
from training.launch import write_launch
from training.recipes import RECIPES
from training.task import Place
from training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    monkeypatch.setitem(RECIPES, "toy", ENTRY)


def config(folder: Path, **options) -> ToyConfig:
    return ToyConfig(recipe="toy", output_dir=str(folder), train_batch_size=4, linear=True, **options)


def read_by_accelerate(command: str):
    """What accelerate's own launcher makes of a command: its arguments, with what the configuration file adds."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    program, verb, *arguments = shlex.split(command)
    assert (program, verb) == ("accelerate", "launch")
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    return args


def read_by_torchrun(command: str):
    from torch.distributed.run import get_args_parser

    program, *arguments = shlex.split(command)
    assert program == "torchrun"
    return get_args_parser().parse_args(arguments)


@pytest.mark.parametrize("machines", [1, 2, 3])
def test_cards_are_started_by_accelerate_as_many_on_each_machine(tmp_path, monkeypatch, machines):
    from training import launch

    cards = random.randrange(2, 9)
    print("cards", cards)
    monkeypatch.setattr(launch, "count_cards", lambda: cards)
    folder = tmp_path / "a folder"
    made = config(folder, test_prompts='a "red" square | Ünïcode', mixed_precision="bf16").model_copy(
        update={"device": "auto"}
    )
    read = read_by_accelerate(write_launch(made, folder, machines=machines))
    assert load_config(folder / "run.toml") == made
    assert (read.num_processes, read.num_machines, read.mixed_precision) == (cards * machines, machines, "bf16")
    assert read.multi_gpu and not read.use_cpu and read.machine_rank == 0
    assert (read.module, read.training_script, read.training_script_args) == (
        True, "training", [str(folder / "run.toml")],
    )  # fmt: skip
    if machines > 1:
        assert (read.main_process_ip, read.main_process_port) == (launch.FIRST_MACHINE, launch.PORT)


def test_one_process_is_started_by_accelerate_too(tmp_path):
    read = read_by_accelerate(write_launch(config(tmp_path), tmp_path, processes=1))
    assert (read.num_processes, read.num_machines, read.mixed_precision) == (1, 1, "no")
    assert read.use_cpu and not read.multi_gpu


@pytest.mark.parametrize("machines", [1, 2, 4])
def test_processes_on_cpus_are_started_by_torch_as_many_on_each_machine(tmp_path, machines):
    each = random.randrange(2, 9)
    print("processes of a machine", each)
    read = read_by_torchrun(write_launch(config(tmp_path), tmp_path, processes=each * machines, machines=machines))
    assert (read.nnodes, read.nproc_per_node) == ("1:1" if machines == 1 else str(machines), str(each))
    assert (read.module, read.training_script, read.training_script_args) == (
        True, "training", [str(tmp_path / "run.toml")],
    )  # fmt: skip
    if machines > 1:
        assert (read.node_rank, read.master_addr, read.master_port) == (0, "FIRST-MACHINE", 29500)


@pytest.mark.parametrize("processes, machines", [(3, 2), (1, 2), (8, 3)])
def test_processes_that_cannot_be_shared_out_are_refused_and_nothing_is_written(tmp_path, processes, machines):
    with pytest.raises(RunError, match=f"{processes} processes cannot be shared out among {machines}") as caught:
        write_launch(config(tmp_path / "run"), tmp_path / "run", processes, machines)
    assert caught.value.hint and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_all_their_batches(tmp_path):
    made = config(tmp_path / "two", max_train_steps=6, save_n_steps=3, learning_rate=0.05)
    write_launch(made, tmp_path, processes=2)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "tests.training.toy"]
    done = subprocess.run([*command, str(tmp_path / "run.toml")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    newest = sorted((tmp_path / "two" / "checkpoints").iterdir())[-1]
    assert {"random-0.pt", "random-1.pt"} <= {path.name for path in newest.iterdir()}
    assert events(tmp_path / "two", "start")[0]["processes"] == 2

    torch.manual_seed(made.seed)
    tasks = [ToyTask(made, Place(torch.device("cpu"), tmp_path, process=i, processes=2)) for i in range(2)]
    net = tasks[0].net
    tasks[1].net = net
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.05, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    for index in range(6):
        losses = [task.loss(task.batch(index), generator(made, index, i)) for i, task in enumerate(tasks)]
        (sum(losses) / 2).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), made.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
    together = weights(tmp_path / "two")
    assert all(torch.allclose(together[name], tensor, atol=1e-6) for name, tensor in net.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize(("process", "where"), [(0, "export"), (1, "batch"), (1, "made"), (0, "made")])
def test_what_ends_one_process_ends_all_with_its_sentence(tmp_path, process, where):
    made = config(tmp_path / "two", max_train_steps=5, fails=process, fails_at=where)
    write_launch(made, tmp_path, processes=2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = []
    for rank in range(2):
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
        environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in ranks.items()}}
        command = [sys.executable, "-m", "tests.training.toy", str(tmp_path / "run.toml")]
        both.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        both[process].wait(240)
        ended = time.monotonic()
        both[1 - process].wait(60)
        print(f"the other one ended {time.monotonic() - ended:.2f} s later")
        said = [one.communicate()[1] for one in both]
    finally:
        for one in both:
            one.kill()
    sentence = f"There is no {where} here. Make one."
    for text in said:
        assert text.count(sentence) == 1 and "Traceback" not in text, text[-3000:]
    assert [one.returncode for one in both] == [1, 1]
    assert [row["message"] for row in events(tmp_path / "two", "error")] == [f"There is no {where} here."]


def generator(made: ToyConfig, index: int, process: int) -> torch.Generator:
    class One:
        process_index = process

    trainer = Trainer.__new__(Trainer)
    trainer.config, trainer.accelerator = made, One
    return trainer.generator(index)
