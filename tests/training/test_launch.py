"""The same run on several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.test_trainer import events, weights
from tests.training.toy import ENTRY, ToyConfig, ToyTask
from training.config import load_config
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


def test_what_is_written_is_the_same_run_and_a_configuration_accelerate_reads(tmp_path):
    from accelerate.commands.config.config_args import load_config_from_file

    made = config(tmp_path, test_prompts='a "red" square | Ünïcode', mixed_precision="no")
    command = write_launch(made, tmp_path, processes=16, machines=2)
    assert load_config(tmp_path / "run.toml") == made
    read = load_config_from_file(str(tmp_path / "accelerate.yaml"))
    assert (read.num_processes, read.num_machines, read.mixed_precision) == (16, 2, "no")
    assert command.endswith(f"-m training {tmp_path / 'run.toml'}")


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


def generator(made: ToyConfig, index: int, process: int) -> torch.Generator:
    class One:
        process_index = process

    trainer = Trainer.__new__(Trainer)
    trainer.config, trainer.accelerator = made, One
    return trainer.generator(index)
