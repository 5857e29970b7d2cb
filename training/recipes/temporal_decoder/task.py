"""The recipe "temporal-decoder": clips, their latents with each frame disturbed by itself, and the decoder between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffscaler.text2video.motion import to_pictures
from training.finetune.order import BatchOrder
from training.finetune.source import find_model
from training.recipes.clip_data import Clip, ClipData, read_clips
from training.recipes.temporal_decoder.critic import PatchCritic, balance, critic_loss, decoder_loss
from training.recipes.temporal_decoder.model import check_into, open_vae, write_vae
from training.recipes.temporal_decoder.network import Decoding, is_temporal
from training.recipes.temporal_decoder.options import TemporalDecoderRun
from training.task import Batch, Place, trained


class TemporalDecoderTask:
    """Decodes what a sampler leaves, frames that each err in their own way, into the clip they are of.

    The loss is the absolute error of pixels and of frame-to-frame differences, with a critic's where that is set.
    """

    def __init__(self, config: TemporalDecoderRun, place: Place, clips: ClipData) -> None:
        self.config, self.place, self.clips = config, place, clips
        self.into = find_model(config.into).path if config.into else None
        init = find_model(config.init).path
        assert init is not None
        self.vae, before = open_vae(init)
        if self.into is not None:
            check_into(self.into, self.vae)
        self.vae.requires_grad_(False).to(place.device)
        self.decoding = Decoding(self.vae, before).requires_grad_(False).to(place.device)
        for name, parameter in self.decoding.decoder.named_parameters():
            parameter.requires_grad_(config.layers == "all" or is_temporal(name))
        if config.gradient_checkpointing:
            self.vae.enable_gradient_checkpointing()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(config.seed)
            self.critic = PatchCritic().to(place.device) if config.adversarial_weight else None
        self.examples = self._encoded(clips.frames)
        self.kept_back = self._encoded(clips.apart)
        self.spread = float(torch.stack([latents.std() for latents in self.examples]).mean())
        shapes = [tuple(latents.shape) for latents in self.examples]
        self.order = BatchOrder(shapes, config.train_batch_size, place.processes, config.seed)
        # Before a resumed run gets its weights back: what every sample is shown beside.
        self.begun = self.decoded(self._looked_at(config.seed)) if config.validate_every_steps else None

    @torch.no_grad()
    def _encoded(self, clips: Sequence[Clip]) -> list[Tensor]:
        """Latents of each clip, (C, F, h, w) on the CPU: the middle of what the encoder allows."""
        found: list[Tensor] = []
        for clip in clips:
            frames = pixels(clip)[None].to(self.place.device)[0].transpose(0, 1)
            each = [self.vae.encode(frame[None]).latent_dist.mode() for frame in frames]
            found.append(torch.cat(each).transpose(0, 1).cpu())
            self.place.preparing("encoding", len(found), len(clips))
        return found

    def modules(self) -> dict[str, nn.Module]:
        critic: dict[str, nn.Module] = {} if self.critic is None else {"critic": self.critic}
        return {"decoding": self.decoding} | critic

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        return trained(self.modules())

    def num_examples(self) -> int:
        return len(self.examples)

    def data_hash(self) -> str:
        return self.clips.digest

    def known(self) -> dict[str, Any]:
        return self.clips.known

    def batch(self, index: int) -> Batch:
        chosen = self.order.clips(index, self.place.process)
        return self._batch([self.examples[i] for i in chosen], [self.clips.frames[i] for i in chosen], index)

    def held_out(self) -> list[Batch]:
        return [
            self._batch([latents], [clip], -1) for latents, clip in zip(self.kept_back, self.clips.apart, strict=True)
        ]

    def _batch(self, latents: Sequence[Tensor], clips: Sequence[Clip], index: int) -> Batch:
        """index: -1 for a clip that is only looked at: no critic has a say in that"""
        put = self.place.device
        return {
            "latents": torch.stack(list(latents)).to(put),
            "clips": torch.stack([pixels(clip) for clip in clips]).to(put),
            "index": index,
        }

    def disturbed(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Latents with noise of its own on each frame."""
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        return latents + self.config.latent_noise * self.spread * noise

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        config, real = self.config, batch["clips"]
        decoded = self.decoding(self.disturbed(batch["latents"], generator)).float()
        loss = (decoded - real).abs().mean()
        if config.difference_weight and real.shape[2] > 1:
            loss = loss + config.difference_weight * (decoded.diff(dim=2) - real.diff(dim=2)).abs().mean()
        if self.critic is None or batch["index"] < 0:
            return loss
        judged = critic_loss(self.critic, real, decoded)
        if batch["index"] < config.adversarial_start:
            return loss + judged
        adversarial = decoder_loss(self.critic, decoded)
        share = balance(loss, adversarial, self.decoding.decoder.time_conv_out.weight)
        return loss + judged + config.adversarial_weight * share * adversarial

    def prompts(self) -> Sequence[str]:
        return [""]

    def sample(self, prompt: str, seed: int) -> Clip:
        """A disturbed clip decoded: on the left as the run began, on the right as it is now."""
        now = self.decoded(self._looked_at(seed))
        return now if self.begun is None else np.concatenate([self.begun, now], axis=2)

    def _looked_at(self, seed: int) -> Tensor:
        latents = (self.kept_back or self.examples)[0]
        return self.disturbed(latents[None], torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def decoded(self, latents: Tensor) -> Clip:
        """Latents (1, C, F, h, w) -> uint8 RGB (F, H, W, 3)."""
        return to_pictures(self.decoding(latents.to(self.place.device))[0].transpose(0, 1))

    def export(self, folder: Path) -> None:
        write_vae(folder, self.vae, self.decoding.before, self.into, self.config.output_dir)


def pixels(clip: Clip) -> Tensor:
    """uint8 RGB (F, H, W, 3) -> float32 (3, F, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(clip)).permute(3, 0, 1, 2).float() / 127.5 - 1


def make_temporal_decoder(config: TemporalDecoderRun, place: Place) -> TemporalDecoderTask:
    """The task of a run. Raises RunError for clips or a model that do not fit."""
    clips = read_clips(
        config.data, place, config.held_out, config.num_frames, config.fps, config.size, 16, aspect_ratio=1.0,
        legal=lambda count: count if count > 1 else 0, captions_needed=False,
    )  # fmt: skip
    return TemporalDecoderTask(config, place, clips)
