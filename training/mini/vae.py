"""The VAE: frames to latents and back, one eighth of the size each way."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor


def build_vae(widths: tuple[int, ...], sample_size: int) -> AutoencoderKL:
    """A small VAE with 4 latent channels. `widths`: channels per level; each level but the last halves the size."""
    n = len(widths)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * n,
        up_block_types=("UpDecoderBlock2D",) * n,
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=sample_size,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        # Start with little noise: at the default the decoder first learns to ignore its input.
        vae.quant_conv.bias[4:] = -5.0
    return vae


def to_unit(frames: np.ndarray) -> Tensor:
    """uint8 RGB (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def from_unit(images: Tensor) -> np.ndarray:
    """float (N, 3, H, W) in [-1, 1] -> uint8 RGB (N, H, W, 3)."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def reconstruction_loss(images: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L1 + 2 MSE + half the L1 of the edges. images, target: (N, 3, H, W) in [-1, 1]; weight: (N, 1, H, W)."""
    difference = images - target
    dx = difference[..., :, 1:] - difference[..., :, :-1]
    dy = difference[..., 1:, :] - difference[..., :-1, :]
    edges = (dx.abs() * weight[..., :, 1:]).mean() + (dy.abs() * weight[..., 1:, :]).mean()
    return (difference.abs() * weight).mean() + 2 * (difference.square() * weight).mean() + 0.5 * edges


#: What a U-Net draws is a little off; a decoder that has seen such latents draws clean pictures of them. In deviations.
DRAWN_NOISE = 0.1


def vae_loss(vae: AutoencoderKL, target: Tensor, weight: Tensor, noise: torch.Generator, decoder_only: bool) -> Tensor:
    """The training loss of a batch. decoder_only keeps the latents as they are and sharpens the decoder alone."""
    if decoder_only:
        with torch.no_grad():
            latents = _sample(vae.encode(target).latent_dist, noise)
            latents = latents + DRAWN_NOISE * torch.randn(latents.shape, generator=noise).to(latents)
        return reconstruction_loss(vae.decode(latents).sample, target, weight)
    posterior = vae.encode(target).latent_dist
    loss = reconstruction_loss(vae.decode(_sample(posterior, noise)).sample, target, weight)
    kl = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
    return loss + 2e-4 * kl


def _sample(posterior: DiagonalGaussianDistribution, noise: torch.Generator) -> Tensor:
    """A draw from the encoder's distribution; the noise is the CPU's, the same for every device."""
    mean = posterior.mean
    return mean + posterior.std * torch.randn(mean.shape, generator=noise).to(mean)


def crops(
    frames: np.ndarray, masks: np.ndarray, batch: int, side: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random squares of random frames, half of them around the subject.

    frames: uint8 (N, F, H, W, 3); masks: uint8 (N, F, H/8, W/8).
    Returns images (batch, 3, side, side) in [-1, 1] and loss weights (batch, 1, side, side): 1, and 2 on the subject.
    """
    n, f, h, w = frames.shape[:4]
    side_h, side_w = min(side, h), min(side, w)
    images, weights = [], []
    for _ in range(batch):
        clip, frame = int(rng.integers(n)), int(rng.integers(f))
        cells = masks[clip, frame]
        top, left = (int(rng.integers(h - side_h + 1)), int(rng.integers(w - side_w + 1)))
        inside = np.argwhere(cells > 127)
        if rng.random() < 0.5 and 0 < len(inside) < cells.size:
            y, x = inside[int(rng.integers(len(inside)))] * 8
            top, left = (int(np.clip(y - side_h // 2, 0, h - side_h)), int(np.clip(x - side_w // 2, 0, w - side_w)))
        images.append(frames[clip, frame, top : top + side_h, left : left + side_w])
        full = np.kron(cells, np.ones((8, 8), np.float32)) / 255
        weights.append(1 + full[top : top + side_h, left : left + side_w] * (len(inside) < cells.size))
    return to_unit(np.stack(images)), torch.from_numpy(np.stack(weights)).float()[:, None]


@torch.no_grad()
def fold_statistics(vae: AutoencoderKL, images: Tensor) -> None:
    """Make latents have mean 0 and deviation 1 per channel, by changing quant_conv and post_quant_conv.

    AnimateDiffPipeline knows one scalar scaling factor, so the per-channel statistics have to live in the weights.
    """
    latents = torch.cat([vae.encode(part.to(vae.device)).latent_dist.mean for part in images.split(16)])
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    channels = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    # post(z * std + mean) == post'(z), with z the normalised latent.
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(dim=1)
    post.weight *= std[None, :, None, None]
    quant.weight[:channels] /= std[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) / std
    # The noise that is added to the latents is scaled with them.
    quant.bias[channels:] -= 2 * std.log()


@torch.no_grad()
def encode_frames(vae: AutoencoderKL, frames: np.ndarray, batch: int = 32) -> np.ndarray:
    """Latents of uint8 RGB frames (N, H, W, 3): float16 (N, 4, H/8, W/8)."""
    parts = [
        vae.encode(to_unit(frames[i : i + batch]).to(vae.device)).latent_dist.mean.to(torch.float16).cpu().numpy()
        for i in range(0, len(frames), batch)
    ]
    return np.concatenate(parts)


@torch.no_grad()
def psnr(vae: AutoencoderKL, frames: np.ndarray) -> float:
    """How well frames survive the VAE: PSNR in dB over RGB."""
    target = to_unit(frames).to(vae.device)
    result = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in target.split(8)])
    mse = F.mse_loss(result.clamp(-1, 1), target).item() / 4
    return float(-10 * np.log10(max(mse, 1e-12)))
