"""The stages that train the U-Net: on single frames first, then on clips."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import UNetMotionModel

from diffscaler.text2video.bypass import bypass_temporal
from diffscaler.text2video.layout import channels_last
from diffscaler.text2video.noise import mixed_noise
from training.compute import CPU, Compute
from training.mini.average import Average
from training.mini.bundle import Bundle
from training.mini.diffusion import build_scheduler, noised, v_loss
from training.mini.muon import Muon, adam_groups, descend, muon_groups, scheduled_lr
from training.mini.samples import GUIDANCE, GUIDED_STEPS, NUM_STEPS, contact_sheet
from training.mini.text import CaptionTokens
from training.mini.unet import frame_positions, is_motion_parameter, plain_attention

#: How much more the loss counts where the subject is: it is small, and what people look at first.
SUBJECT_WEIGHT = 1.5

#: What was learnt before goes on learning more slowly beside new temporal layers.
OLD_FACTOR = 0.6
EMA_DECAY = 0.995


@dataclass(frozen=True)
class Batch:
    """latents: float32 (B, 4, h, w) or (B, 4, F, h, w); text: (B or B * F, tokens, width); weight: broadcasts over
    latents, larger where the subject is; positions: the frames that are seen, None for single frames."""

    latents: torch.Tensor
    text: torch.Tensor
    weight: torch.Tensor
    positions: np.ndarray | None


class DenoiseStage:
    """v-prediction on latents, with the text encoder learning along.

    latents: float16 (N, F, 4, h, w); masks: uint8 (N, F, h, w), 0..255, where the subject is.
    The stage draws single frames when the U-Net has no temporal layers yet, else parts of clips; and then single frames
    in a share of its steps too, without the temporal layers: they show many more pictures in the same time
    (joint training, Ho et al. 2022, "Video Diffusion Models", section 3).
    image_batch, image_share: how many single frames such a step sees, and the share of such steps.
    """

    def __init__(
        self,
        bundle: Bundle,
        latents: np.ndarray,
        masks: np.ndarray,
        captions: list[list[str]],
        total: int,
        batch: int,
        lr: float,
        seed: int,
        frames_per_step: int,
        full_length_share: float,
        prompts: Sequence[str],
        compute: Compute = CPU,
        image_batch: int = 0,
        image_share: float = 0.0,
    ) -> None:
        self.moving = isinstance(bundle.unet, UNetMotionModel)
        self.name, self.total = ("motion" if self.moving else "image"), total
        self.bundle, self.latents, self.masks = bundle, latents, masks
        self.batch, self.lr, self.seed = batch, lr, seed
        self.frames_per_step, self.full_length_share = frames_per_step, full_length_share
        self.image_batch, self.image_share = image_batch, image_share
        self.prompts = list(prompts)
        self.tokens = CaptionTokens(bundle.tokenizer, captions)
        self.alpha_bar = build_scheduler().alphas_cumprod.float()
        self.compute = compute
        bundle.vae.to(compute.device)
        self.unet = channels_last(bundle.unet.to(compute.device)).train()
        self.text_encoder = bundle.text_encoder.to(compute.device).train()
        if not compute.fuses_attention:
            plain_attention(self.unet)
        self.network = compute.compiled(self.unet)
        for module in (self.unet, self.text_encoder):
            module.requires_grad_(True)
        old = OLD_FACTOR if self.moving else 1.0
        named = list(self.unet.named_parameters())
        groups = muon_groups(((n, p) for n, p in named if not is_motion_parameter(n)), old)
        groups += muon_groups(((n, p) for n, p in named if is_motion_parameter(n)), 1.0)
        groups += adam_groups(self.text_encoder.named_parameters(), old)
        self.optimizer = Muon(groups, lr=lr)
        self.average = Average({"unet": self.unet, "text_encoder": self.text_encoder}, EMA_DECAY)

    def step(self, index: int) -> tuple[float, float]:
        rng = np.random.default_rng([self.seed, 3 + self.moving, index])
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        loss = self._loss(index, rng, noise)
        done = descend(self.optimizer, loss, scheduled_lr(index, self.total, self.lr))
        self.average.update()
        return done

    def _loss(self, index: int, rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        batch = self._batch(index, rng)
        count = len(batch.latents)
        # Spread over the batch: fewer batches without any hard noise level.
        t = torch.from_numpy(((np.arange(count) + rng.random(count)) / count * 1000).astype(np.int64))
        alpha_bar, t = self.compute.put(self.alpha_bar[t]), self.compute.put(t)
        x_t, v = noised(batch.latents, self._noise(batch, noise), alpha_bar)
        if not self.moving:
            x_t = x_t.contiguous(memory_format=torch.channels_last)
        with self._seeing(batch.positions), self.compute.autocast():
            prediction = self.network(x_t, t, batch.text).sample
        return v_loss(prediction.float(), v, alpha_bar, batch.weight)

    def _seeing(self, positions: np.ndarray | None) -> AbstractContextManager[None]:
        """The network as it has to be for these frames."""
        if positions is not None:
            return frame_positions(self.unet, positions)
        return bypass_temporal(self.unet) if self.moving else nullcontext()

    def _noise(self, batch: Batch, noise: torch.Generator) -> torch.Tensor:
        """The CPU's noise, the same for every device."""
        shape = tuple(batch.latents.shape)
        if batch.positions is None:
            return self.compute.put(torch.randn(shape, generator=noise))
        return self.compute.put(mixed_noise(shape, self.bundle.shared_noise, noise))

    def _batch(self, index: int, rng: np.random.Generator, empty_share: float = 0.1) -> Batch:
        """What step `index` learns from."""
        count, length = self.latents.shape[:2]
        size, positions = self.batch, None
        if self.moving and self._single(index, rng):
            size = self.image_batch
        elif self.moving:
            positions = self._positions(index, length, rng)
            # Full-length steps take fewer clips: every step costs about the same.
            size = max(size * self.frames_per_step // len(positions), 1)
        clips = rng.integers(count, size=size)
        words = self.compute.put(self.tokens.draw(clips, rng, empty_share))
        with self.compute.autocast():
            text = self.text_encoder(words).last_hidden_state
        if positions is None:
            frames = rng.integers(length, size=size)
            x, mask = self.latents[clips, frames], self.masks[clips, frames][:, None]
            if self.moving:  # (B, C, h, w) -> (B, C, 1, h, w)
                x, mask = x[:, :, None], mask[:, :, None]
        else:
            # (B, F, C, h, w) -> (B, C, F, h, w)
            x = self.latents[clips][:, positions].transpose(0, 2, 1, 3, 4)
            mask = self.masks[clips][:, positions][:, None]
            text = text.repeat_interleave(len(positions), dim=0)
        weight = torch.from_numpy(np.ascontiguousarray(mask)).float().div_(255)
        latents = torch.from_numpy(np.ascontiguousarray(x)).float()
        return Batch(self.compute.put(latents), text, self.compute.put(1 + SUBJECT_WEIGHT * weight), positions)

    def _single(self, index: int, rng: np.random.Generator) -> bool:
        """Whether this motion step sees single frames; those at the end, which see whole clips, never do."""
        if not self.image_share or index >= (1 - self.full_length_share) * self.total:
            return False
        return bool(rng.random() < self.image_share)

    def _positions(self, index: int, length: int, rng: np.random.Generator) -> np.ndarray:
        """Which frames of a clip this step sees: a few from all over it, or every n-th one; at the end all."""
        n = min(self.frames_per_step, length)
        if n == length or index >= (1 - self.full_length_share) * self.total:
            return np.arange(length)
        if rng.random() < 0.5:
            return np.sort(rng.choice(length, n, replace=False))
        stride = int(rng.integers(1, (length - 1) // (n - 1) + 1))
        start = int(rng.integers(length - stride * (n - 1)))
        return start + stride * np.arange(n)

    def _sampling(self) -> tuple[int, float]:
        """Steps and guidance of the sample sheets."""
        return (GUIDED_STEPS, 1.0) if self.bundle.guided else (NUM_STEPS, GUIDANCE)

    def save(self, folder: Path) -> None:
        self.bundle.save(folder)
        channels_last(self.unet)
        self.average.save(folder)

    def load(self, folder: Path) -> None:
        saved = Bundle.load(folder)
        self.unet.load_state_dict(saved.unet.state_dict())
        self.text_encoder.load_state_dict(saved.text_encoder.state_dict())
        self.average.load(folder)

    def sample(self) -> np.ndarray:
        """One row per prompt, drawn with the averaged weights."""
        self.average.swap()
        try:
            frames = self.latents.shape[1] if self.moving else 1
            return contact_sheet(self.bundle, self.prompts, frames, sampling=self._sampling())
        finally:
            self.average.swap()
            self.unet.train()
            self.text_encoder.train()
            channels_last(self.unet)

    def finish(self) -> None:
        """Keep the averaged weights."""
        self.average.swap()
        self.unet.eval().requires_grad_(False)
        self.text_encoder.eval().requires_grad_(False)
