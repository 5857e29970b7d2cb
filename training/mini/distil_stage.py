"""The stage that makes a model of few steps out of one of many."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from diffscaler.text2video.layout import channels_last
from training.mini.bundle import contiguous
from training.mini.denoise_stage import Batch, DenoiseStage
from training.mini.diffusion import noised
from training.mini.distil import distillation_loss, grid, target
from training.mini.unet import frame_positions


class DistilStage(DenoiseStage):
    """A student of `steps` steps without guidance learns from the model at twice the steps with guidance.

    The teacher is the model as the stage finds it. It is saved with every checkpoint: the student takes its place.
    """

    def __init__(self, *arguments, steps: int, guidance: float, **named) -> None:
        super().__init__(*arguments, **named)
        self.name, self.steps, self.guidance = "distil", steps, guidance
        self.teacher = channels_last(copy.deepcopy(self.unet)).eval().requires_grad_(False)
        self.teaching = self.compute.compiled(self.teacher)
        # The words keep their meaning: only the student's way from noise to picture changes.
        self.text_encoder.eval().requires_grad_(False)
        empty = self.compute.put(self.tokens.empty[None])
        with torch.no_grad():
            self.no_words = self.text_encoder(empty).last_hidden_state

    def _single(self, index: int, rng: np.random.Generator) -> bool:
        return False  # the teacher draws clips

    def _loss(self, index: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        batch = self._batch(index, rng, empty_share=0.0)
        times = grid(self.steps)
        count = len(batch.latents)
        t = times[torch.from_numpy((np.arange(count) + int(rng.integers(self.steps))) % self.steps)]
        t, alpha_bar = self.compute.put(t), self.compute.put(self.alpha_bar)
        z, _ = noised(batch.latents, self._noise(batch, noise), alpha_bar[t])
        with frame_positions(self.unet, batch.positions), frame_positions(self.teacher, batch.positions):
            with torch.no_grad():
                wanted = target(z, lambda z, t: self._guided(z, t, batch), alpha_bar, t, int(times[0] - times[1]))
            with self.compute.autocast():
                v = self.network(z, t, batch.text).sample
        return distillation_loss(v.float(), z, wanted, alpha_bar, t, batch.weight)

    def _guided(self, z: torch.Tensor, t: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The teacher's v, pushed away from what it would draw without words."""
        nothing = self.no_words.expand(len(batch.text), -1, -1)
        with self.compute.autocast():
            both = self.teaching(torch.cat([z, z]), torch.cat([t, t]), torch.cat([nothing, batch.text])).sample
        without, with_words = both.float().chunk(2)
        return without + self.guidance * (with_words - without)

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_file(contiguous(self.teacher).state_dict(), folder / "teacher.safetensors")
        channels_last(self.teacher)

    def load(self, folder: Path) -> None:
        super().load(folder)
        self.teacher.load_state_dict(load_file(folder / "teacher.safetensors"))

    def _sampling(self) -> tuple[int, float]:
        return self.steps, 1.0
