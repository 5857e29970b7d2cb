"""The recipe "distil": halving after halving, each student the next one's teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training import distillation
from training.events import RunError
from training.recipes.distil.options import DistilRun
from training.recipes.distil.students import Student, open_student
from training.recipes.distil.teacher import Teacher
from training.task import Batch, Place, trained


class DistilTask:
    """Salimans and Ho 2022, algorithm 2, over a from-scratch model of this studio or a Wan model."""

    def __init__(self, config: DistilRun, place: Place, student: Student) -> None:
        self.config, self.place, self.student = config, place, student
        self.denoiser = student.task.denoiser
        try:
            self.denoiser.levels.walk(config.steps_from)
        except ValueError as error:
            raise RunError(
                f"This model cannot be drawn in {config.steps_from} steps: {error}.", "Begin with fewer."
            ) from None
        self.teacher = Teacher(self.denoiser).to(place.device)

    @property
    def steps(self) -> int:
        """How many steps the student of now learns to draw in."""
        return self.config.steps_from >> (int(self.teacher.halving) + 1)

    def modules(self) -> dict[str, nn.Module]:
        return self.student.task.modules() | {"teacher": self.teacher}

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        return trained(self.modules())

    def num_examples(self) -> int:
        return self.student.task.num_examples()

    def data_hash(self) -> str:
        return self.student.task.data_hash()

    def known(self) -> dict[str, Any]:
        return self.student.task.known()

    def batch(self, index: int) -> Batch:
        return self.student.task.batch(index)

    def held_out(self) -> list[Batch]:
        return self.student.task.held_out()

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The student's error at levels of its own walk, spread evenly over a batch. When its share of the run is over
        the student first becomes the teacher."""
        if batch["index"] >= 0 and (halving := self._halving_at(batch["index"])) > int(self.teacher.halving):
            self.teacher.become(halving)
        clean, levels = batch["latents"], self.denoiser.levels
        own, between = levels.walk(self.steps), levels.walk(2 * self.steps)[1::2]
        first = int(torch.randint(self.steps, (1,), generator=generator))
        chosen = (torch.arange(len(clean)) + first) % self.steps
        after = torch.cat([own[1:], torch.full_like(own[:1], -1)])
        times = [part[chosen] for part in (own, between, after)]
        now, middle, end = (self._at(part, clean) for part in times)
        noise = self.student.task.noise(tuple(clean.shape), generator).to(clean.device)
        noisy = now[0] * clean + now[1] * noise

        def teacher(times: Tensor) -> Any:
            told = (times.to(clean.device), batch["words"], batch["dropped"], self.config.guidance)
            return lambda noisy: self.teacher.predict(noisy, *told)

        kind = self.denoiser.kind
        with torch.no_grad():
            wanted = distillation.target(noisy, teacher(times[0]), teacher(times[1]), kind, now, middle, end)
        said = self.denoiser.predict(noisy, times[0].to(clean.device), batch["words"], batch["dropped"])
        return distillation.error(said.float(), noisy, wanted, kind, now).mean()

    def _halving_at(self, index: int) -> int:
        """Which halving a batch belongs to. Its step decides, so that none begins between the parts of an update; the
        steps of the whole run are those it began with, see RunConfig.FIXED."""
        step = index // self.config.gradient_accumulation_steps
        return min(self.config.halvings - 1, step * self.config.halvings // self.config.max_train_steps)

    def _at(self, times: Tensor, clean: Tensor) -> distillation.At:
        alpha, sigma = self.denoiser.levels.alpha_sigma(times, clean.ndim)
        return alpha.to(clean.device), sigma.to(clean.device)

    def prompts(self) -> Sequence[str]:
        return self.student.task.prompts()

    def sample(self, prompt: str, seed: int) -> np.ndarray:
        """In as many steps as the student of now knows, without guidance."""
        return self.student.draw(prompt, seed, self.steps)

    def export(self, folder: Path) -> None:
        """The student of now: of more steps than wanted where the run was stopped before its last halving."""
        self.student.export(folder, self.steps)


def make_distil(config: DistilRun, place: Place) -> DistilTask:
    """The task of a run. Raises RunError for clips or a model that do not fit."""
    return DistilTask(config, place, open_student(config, place))
