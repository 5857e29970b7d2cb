"""What every recipe that teaches a network to take noise out of clips has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from training.finetune.order import BatchOrder
from training.objectives import (
    Prediction,
    add_noise,
    min_snr_weight,
    prediction_target,
    signal_to_noise,
    training_noise,
    weighted_error,
)
from training.options import RunConfig
from training.recipes.levels import Levels
from training.task import Batch, Place, trained


class Denoiser(Protocol):
    """A network, and what it is asked. kind: what it predicts."""

    kind: Prediction
    levels: Levels

    def modules(self) -> dict[str, nn.Module]: ...

    def predict(self, noisy: Tensor, times: Tensor, words: Tensor, dropped: Tensor, **more: Any) -> Tensor:
        """noisy: (B, C, F, H, W); times: (B,), see Levels, on its device; words: (B, ...); dropped: bool (B,), whose
        words are left out. What it says about `noisy`, of the same shape."""
        ...


@dataclass(frozen=True)
class Example:
    """latents: float32 (C, F, h, w), or a clip's pixels as bytes, on the CPU; words: what the network is given of each
    of the clip's captions."""

    latents: Tensor
    words: Sequence[Tensor]


class Denoising:
    """Most of a Task: batches of examples, caption dropout, noise and the loss. Recipes add drawing and export."""

    #: Options that not every recipe has.
    loss_type = "l2"
    shared_noise = 0.0

    def __init__(
        self,
        config: RunConfig,
        place: Place,
        denoiser: Denoiser,
        examples: Sequence[Example],
        kept_back: Sequence[Example],
        digest: str,
    ) -> None:
        self.config, self.place, self.denoiser = config, place, denoiser
        self.examples, self.kept_back, self.digest = examples, kept_back, digest
        shapes = [tuple(example.latents.shape) for example in examples]
        self.order = BatchOrder(shapes, config.train_batch_size, place.processes, config.seed)

    def modules(self) -> dict[str, nn.Module]:
        return self.denoiser.modules()

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        return trained(self.modules())

    def num_examples(self) -> int:
        return len(self.examples)

    def data_hash(self) -> str:
        return self.digest

    def batch(self, index: int) -> Batch:
        rng = np.random.default_rng([self.config.seed, 1, index, self.place.process])
        chosen = [self.examples[i] for i in self.order.clips(index, self.place.process)]
        words = [example.words[int(rng.integers(len(example.words)))] for example in chosen]
        return self._batch(
            torch.stack([example.latents for example in chosen]),
            torch.stack(words),
            torch.from_numpy(rng.random(len(chosen)) < self.config.caption_dropout),
            index,
        )

    def held_out(self) -> list[Batch]:
        return [
            self._batch(example.latents[None], example.words[0][None], torch.zeros(1, dtype=torch.bool), -1)
            for example in self.kept_back
        ]

    def _batch(self, latents: Tensor, words: Tensor, dropped: Tensor, index: int) -> Batch:
        put, latents = self.place.device, latents.to(self.place.device)
        if latents.dtype == torch.uint8:
            latents = latents.float() / 127.5 - 1
        return {"latents": latents, "words": words.to(put), "dropped": dropped.to(put), "index": index}

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Ho et al. 2020, eq. 14, for the prediction the denoiser makes, weighted by min-SNR where that is set."""
        clean = batch["latents"]
        noise = self.noise(tuple(clean.shape), generator).to(clean.device)
        times = self.denoiser.levels.draw(len(clean), generator)
        alpha, sigma = (part.to(clean.device) for part in self.denoiser.levels.alpha_sigma(times, clean.ndim))
        noisy = add_noise(clean, noise, alpha, sigma)
        more = self.more(batch, generator)
        predicted = self.denoiser.predict(noisy, times.to(clean.device), batch["words"], batch["dropped"], **more)
        wanted = prediction_target(clean, noise, alpha, sigma, self.denoiser.kind)
        weight = min_snr_weight(signal_to_noise(alpha, sigma), self.config.snr_gamma or None, self.denoiser.kind)
        return weighted_error(predicted.float(), wanted, weight, self.loss_type)  # type: ignore[arg-type]

    def more(self, batch: Batch, generator: torch.Generator) -> dict[str, Any]:
        """What else `predict` is given."""
        return {}

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return training_noise(shape, generator, self.config.noise_offset, self.shared_noise)
