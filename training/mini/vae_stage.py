"""The stages that train the VAE: the whole of it first, its decoder alone at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from diffscaler.text2video.layout import channels_last
from training.clips import ClipSet
from training.compute import CPU, Compute
from training.mini import vae as vae_module
from training.mini.bundle import Bundle
from training.mini.muon import Muon, descend, muon_groups, scheduled_lr

#: Side of the training crops in pixels; whole frames follow in the last part of the stage.
CROP = 64
WHOLE_FRAMES_FROM = 0.8


class VaeStage:
    """Reconstruction. With decoder_only the latents stay what the U-Net has learnt."""

    def __init__(
        self,
        bundle: Bundle,
        clips: ClipSet,
        total: int,
        batch: int,
        lr: float,
        seed: int,
        decoder_only: bool = False,
        compute: Compute = CPU,
    ) -> None:
        self.name, self.total = ("decoder" if decoder_only else "vae"), total
        self.bundle, self.clips, self.batch, self.lr, self.seed = bundle, clips, batch, lr, seed
        self.decoder_only = decoder_only
        self.compute = compute
        self.vae: AutoencoderKL = channels_last(bundle.vae.to(compute.device)).train()
        trained = ("decoder.",) if decoder_only else ("",)
        for name, p in self.vae.named_parameters():
            p.requires_grad_(name.startswith(trained))
        self.optimizer = Muon(muon_groups(self.vae.named_parameters()), lr=lr)

    def step(self, index: int) -> tuple[float, float]:
        rng = np.random.default_rng([self.seed, 1 + self.decoder_only, index])
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        whole = index >= WHOLE_FRAMES_FROM * self.total
        height = self.clips.frames.shape[2]
        side, batch = (height, max(self.batch * CROP**2 // max(height, CROP) ** 2, 1)) if whole else (CROP, self.batch)
        images, weight = vae_module.crops(self.clips.frames, self.clips.masks, batch, side, rng)
        images = self.compute.put(images.contiguous(memory_format=torch.channels_last))
        with self.compute.autocast():
            loss = vae_module.vae_loss(self.vae, images, self.compute.put(weight), noise, self.decoder_only)
        return descend(self.optimizer, loss, scheduled_lr(index, self.total, self.lr))

    def save(self, folder: Path) -> None:
        self.bundle.save(folder)
        channels_last(self.vae)

    def load(self, folder: Path) -> None:
        saved = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        self.vae.load_state_dict(saved.state_dict())

    def sample(self) -> np.ndarray:
        """Frames above, what the VAE makes of them below."""
        frames = self.clips.frames[:: max(len(self.clips) // 8, 1), 0][:8]
        images = self.compute.put(vae_module.to_unit(frames))
        with torch.no_grad():
            out = vae_module.from_unit(self.vae.decode(self.vae.encode(images).latent_dist.mean).sample)
        return np.concatenate([np.concatenate(list(frames), axis=1), np.concatenate(list(out), axis=1)])

    def finish(self) -> None:
        """Freeze the VAE; its latents get mean 0 and deviation 1."""
        self.vae.eval().requires_grad_(False)
        if not self.decoder_only:
            rng = np.random.default_rng([self.seed, 9])
            picks = rng.integers(len(self.clips), size=256), rng.integers(self.clips.frames.shape[1], size=256)
            vae_module.fold_statistics(self.vae, vae_module.to_unit(self.clips.frames[picks]))
