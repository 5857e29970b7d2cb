"""Learning from captioned clips in the latent space of a trained model: batches, noise and loss.

Cached are the mean and deviation of what the VAE makes of a clip; what a step sees is drawn from them, as when it is
encoded anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.cache import TensorCache
from training.data.manifest import Item
from training.events import RunError
from training.finetune.encode import Encoder, drawn_caption, stacked
from training.finetune.examples import Example, examples_of
from training.finetune.options import FineTuneConfig
from training.finetune.order import BatchOrder
from training.finetune.source import cache_folder
from training.finetune.sources import data_hash, held_out_of, read_shots
from training.objectives import (
    add_noise,
    alpha_sigma,
    min_snr_weight,
    prediction_target,
    training_noise,
    weighted_error,
)
from training.task import Batch, Place, trained


class ClipTask(ABC):
    """What the fine-tuning recipes share. pipeline: a diffusers pipeline with vae, text encoders and scheduler."""

    #: Whether a clip without a caption is refused.
    captions_needed = True

    def __init__(self, config: FineTuneConfig, place: Place, pipeline: Any, unet: nn.Module, sdxl: bool) -> None:
        self.config, self.place, self.pipeline, self.unet, self.sdxl = config, place, pipeline, unet, sdxl
        self.alphas = alphas_of(pipeline.scheduler).to(place.device)
        self.kind = prediction_of(pipeline.scheduler, config.prediction_type)
        if place.known:
            self.hash, self.examples, self.apart = "", [example_of_known(place.known, config.fps)], []
        else:
            shots = read_shots(config.data, config.fps, getattr(config, "prompt", ""), self.captions_needed, place.warn)
            self.hash = data_hash(shots)
            learnt, apart = held_out_of(shots, config.held_out)
            self.examples = self._examples(learnt)
            self.apart = self._examples(apart)[: config.held_out]
        self.order = BatchOrder(
            [e.bucket for e in self.examples], config.train_batch_size, place.processes, config.seed
        )
        cache = TensorCache(cache_folder(config.cache_dir) if config.use_cache else None, place.warn)
        self.encoder = Encoder(pipeline, sdxl, config, place, cache)

    def first_pass(self) -> None:
        """Encode what the run needs; called once the network is ready, for it may refuse the data."""
        if not (self.config.use_cache and self.place.learns):
            return
        batches = self.config.max_train_steps * self.config.gradient_accumulation_steps
        needed = [*(self.examples[i] for i in self.order.first(batches)), *self.apart]
        captions = [caption for example in needed for caption in example.shot.captions]
        self.encoder.first_pass(needed, captions)
        # What could be kept nowhere is encoded anew whenever a step needs it.
        if self.place.processes == 1 and self.encoder.cache.keeps_all:
            self.encoder.release()

    def _examples(self, shots: Sequence[Any]) -> list[Example]:
        config = self.config
        step = 2 ** (len(self.pipeline.vae.config.block_out_channels) - 1)
        return [
            example
            for shot in shots
            for example in examples_of(
                shot, config.num_frames, config.fps, config.windows_per_shot, config.resolution, config.aspect_ratio,
                step,
            )
        ]  # fmt: skip

    @abstractmethod
    def predict(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        """The network's answer, of the shape of `noisy` (B, C, F, h, w). batch: text, and for SDXL pooled, facts"""

    @abstractmethod
    def sample(self, prompt: str, seed: int) -> np.ndarray | None:
        """As Task.sample."""

    @abstractmethod
    def export(self, folder: Path) -> None:
        """As Task.export."""

    def modules(self) -> dict[str, nn.Module]:
        return {"unet": self.unet}

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        return trained(self.modules())

    def num_examples(self) -> int:
        return len(self.examples)

    def data_hash(self) -> str:
        return self.hash

    def known(self) -> dict[str, Any]:
        first = self.examples[0]
        return {"width": first.width, "height": first.height, "frames": len(first.frames)}

    def prompts(self) -> Sequence[str]:
        shots = dict.fromkeys(example.shot for example in self.examples)
        return [shot.captions[0] for shot in shots if shot.captions][:2]

    def batch(self, index: int) -> Batch:
        rng = np.random.default_rng([self.config.seed, 2, index, self.place.process])
        clips = [self.examples[i] for i in self.order.clips(index, self.place.process)]
        single = bool(rng.random() < self.config.image_share)
        captions = [drawn_caption(clip, rng, self.config.caption_dropout) for clip in clips]
        return self._batch(clips, captions, rng, single)

    def held_out(self) -> list[Batch]:
        rng = np.random.default_rng(self.config.seed)
        return [self._batch([e], [drawn_caption(e, rng, 0.0)], rng, varied=False) for e in self.apart]

    def _batch(
        self,
        clips: list[Example],
        captions: list[str],
        rng: np.random.Generator,
        single: bool = False,
        varied: bool = True,
    ) -> Batch:
        """single: one frame of each clip; varied: whether clips are cropped at random where the run says so"""
        varied = varied and self.config.augment
        places = [(rng.random(), rng.random()) if varied else None for _ in clips]
        encoded = [self.encoder.latents(clip, at) for clip, at in zip(clips, places, strict=True)]
        if single:
            frames = [int(rng.integers(part["mean"].shape[1])) for part in encoded]
            encoded = [
                part | {name: part[name][:, frame : frame + 1] for name in ("mean", "std")}
                for part, frame in zip(encoded, frames, strict=True)
            ]
        words = stacked([self.encoder.words(caption) for caption in captions], self.place.device)
        return {**stacked(encoded, self.place.device), **words}

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        config, mean = self.config, batch["mean"]
        drawn = torch.randn(mean.shape, generator=generator).to(mean.device)
        clean = mean + batch["std"] * drawn
        # One noise level for each clip.
        levels = torch.randint(len(self.alphas), (len(mean),), generator=generator).to(mean.device)
        alpha, sigma = alpha_sigma(self.alphas, levels, mean.ndim)
        noise = training_noise(tuple(mean.shape), generator, config.noise_offset, self.shared_noise()).to(mean.device)
        predicted = self.predict(add_noise(clean, noise, alpha, sigma), levels, batch).float()
        weight = min_snr_weight((alpha / sigma).square(), config.snr_gamma or None, self.kind)
        return weighted_error(predicted, prediction_target(clean, noise, alpha, sigma, self.kind), weight)

    def shared_noise(self) -> float:
        """How much of the noise the frames of a clip share."""
        return 0.0


def example_of_known(known: Mapping[str, Any], fps: float) -> Example:
    """In place of clips that are not read: the shape of one that was learnt."""
    width, height, frames = (int(known[name]) for name in ("width", "height", "frames"))
    return Example(Item(Path(), 0, frames, (), fps, width, height, "", ""), tuple(range(frames)), width, height)


def alphas_of(scheduler: Any) -> Tensor:
    """Cumulative alphas of the schedule a model was trained on, float32 (T,). Raises RunError when it has none."""
    found = getattr(scheduler, "alphas_cumprod", None)
    if found is None:
        raise RunError(
            f"{type(scheduler).__name__} has no schedule of noise to train on.", "This recipe is for diffusion models."
        )
    return found.float()


def prediction_of(scheduler: Any, wanted: str) -> Any:
    """The target of a run: what the configuration says, or what the model was trained for. Raises RunError for a flow,
    which needs another schedule."""
    kind = scheduler.config.get("prediction_type", "epsilon") if wanted == "model" else wanted
    if kind not in ("epsilon", "v_prediction", "sample"):
        raise RunError(f"A model with a schedule of noise cannot be trained for {kind}.", "Use model or v_prediction.")
    return kind
