"""A small image model that knows a few words: it draws a red, green, blue or yellow square anywhere on black.

The VAE, words and text encoder are mini's, which lie in the repository; the U-Net is trained here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

SIZE = 64
#: Pale ones: where a square is, all of them say in much the same numbers, as brightness does in footage.
COLOURS = {"red": (235, 105, 95), "green": (105, 215, 115), "blue": (105, 135, 240), "yellow": (235, 215, 105)}
GROUND = (15, 15, 20)
SIDE = 24


def picture(colour: str, x: int, y: int) -> np.ndarray:
    """uint8 RGB (64, 64, 3)."""
    frame = np.empty((SIZE, SIZE, 3), np.uint8)
    frame[:] = GROUND
    frame[y : y + SIDE, x : x + SIDE] = COLOURS[colour]
    return frame


def save_image_model(folder: Path, steps: int, pictures: int = 512, batch: int = 32, rate: float = 1e-3) -> list[float]:
    """Train and write a StableDiffusionPipeline folder; returns the losses. 2000 steps of 4096 pictures draw squares of
    the colour that was asked for, ten minutes of one core."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    from diffscaler.settings import ROOT
    from training.mini.bundle import Bundle
    from training.mini.vae import encode_frames
    from training.objectives import add_noise, alpha_sigma, prediction_target

    bundle = Bundle.load(ROOT / "assets" / "models" / "mini")
    rng = np.random.default_rng(0)
    texts = [f"a {colour} square" for colour in COLOURS] + [""]
    colours = rng.integers(len(COLOURS), size=pictures)
    drawn = [picture(list(COLOURS)[colour], *rng.integers(0, SIZE - SIDE + 1, 2)) for colour in colours]
    with torch.no_grad():
        parts = [encode_frames(bundle.vae, np.stack(drawn[at : at + 64])) for at in range(0, pictures, 64)]
        latents = torch.from_numpy(np.concatenate(parts)).float() * bundle.vae.config.scaling_factor
        tokens = bundle.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        known = bundle.text_encoder(tokens).last_hidden_state.float()
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(64, 128), layers_per_block=1, norm_num_groups=8, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D",) * 2, up_block_types=("CrossAttnUpBlock2D",) * 2,
        use_linear_projection=True, cross_attention_dim=bundle.text_encoder.config.hidden_size,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    weights = list(unet.parameters())
    average = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.AdamW(weights, lr=rate)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100, 2 * (steps - step) / steps)
        chosen = rng.integers(pictures, size=batch)
        said = torch.from_numpy(np.where(rng.random(batch) < 0.1, len(COLOURS), colours[chosen]))
        clean, levels = latents[chosen], torch.from_numpy(rng.integers(1000, size=batch))
        alpha, sigma = alpha_sigma(scheduler.alphas_cumprod, levels, 4)
        noise = torch.from_numpy(rng.standard_normal(clean.shape).astype(np.float32))
        predicted = unet(add_noise(clean, noise, alpha, sigma), levels, encoder_hidden_states=known[said]).sample
        loss = (predicted - prediction_target(clean, noise, alpha, sigma, "v_prediction")).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
        torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1 - min(0.998, (step + 1) / (step + 20)))
    with torch.no_grad():
        torch._foreach_copy_(weights, average)
    StableDiffusionPipeline(
        vae=bundle.vae, text_encoder=bundle.text_encoder, tokenizer=bundle.tokenizer, unet=unet.eval(),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return losses
