"""The smallest recipe: a network with dropout learns a fixed rule from drawn numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.events import RunError
from training.options import RunConfig
from training.recipes import RECIPES, RecipeEntry
from training.task import trained

ENTRY = RecipeEntry("toy", "Toy", "For tests.", "nothing", "tests.training.toy:ToyConfig", "tests.training.toy:ToyTask")

#: Batches from here on are for judging: they are what they are.
HELD_OUT = 10**8


class ToyConfig(RunConfig):
    learning_rate: float = 1e-2
    report_to: str = "none"
    threads: int = 1
    device: str = "cpu"
    max_train_steps: int = 20
    #: Without dropout and batch statistics: what several processes do is then what one does with all their batches.
    linear: bool = False
    #: From this step on the target is this many times as large, to make the loss run away.
    explode_at: int = 10**9
    #: From this step on the loss is NaN for so many steps.
    nan_at: int = 10**9
    nan_for: int = 0
    #: The process that fails alone, and where: "made", "batch" or "export".
    fails: int = -1
    fails_at: str = ""


class ToyTask:
    def __init__(self, config, place):
        self.config, self.place = config, place
        deep = (nn.Linear(8, 32), nn.Tanh(), nn.Dropout(0.1), nn.BatchNorm1d(32), nn.Linear(32, 2))
        self.net = nn.Sequential(*([nn.Linear(8, 2)] if config.linear else deep))
        self.fail("made")

    def fail(self, where):
        if self.config.fails_at == where and self.config.fails == self.place.process:
            raise RunError(f"There is no {where} here.", "Make one.")

    def modules(self):
        return {"net": self.net}

    def trainable(self):
        return trained(self.modules())

    def num_examples(self):
        return 64

    def known(self):
        return {}

    def data_hash(self):
        return "rule-1"

    def batch(self, index):
        if index == 3:
            self.fail("batch")
        rng = np.random.default_rng([self.config.seed, self.place.process, index])
        x = torch.from_numpy(rng.standard_normal((self.config.train_batch_size, 8)).astype(np.float32))
        y = torch.stack([x[:, :4].sum(1), x[:, 4:].prod(1)], dim=1)
        if self.config.explode_at <= index < HELD_OUT:
            y = y * 30
        if self.config.nan_at <= index < self.config.nan_at + self.config.nan_for:
            y = y * float("nan")
        return {"x": x, "y": y}

    def loss(self, batch, generator):
        noise = torch.randn(batch["x"].shape, generator=generator) * 0.1
        return (self.net(batch["x"] + noise) - batch["y"]).square().mean()

    def held_out(self):
        return [self.batch(HELD_OUT + i) for i in range(2)]

    def prompts(self):
        return [""]

    def sample(self, prompt, seed):
        torch.rand(3)  # drawing uses up random numbers, as real samplers may
        return np.full((4, 8, 8, 3), seed % 256, np.uint8)

    def export(self, folder: Path):
        self.fail("export")
        torch.save(self.net.state_dict(), folder / "net.pt")
        (folder / "about.json").write_text(json.dumps({"toy": True}))


if __name__ == "__main__":
    import sys

    from training.__main__ import main

    RECIPES["toy"] = ENTRY
    sys.exit(main())
