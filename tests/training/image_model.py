"""A small image model that knows two words: it draws a red or a green square anywhere on blue.

The VAE, words and text encoder are mini's, which lie in the repository; the U-Net is trained here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

SIZE = 64
COLOURS = {"red": (230, 60, 40), "green": (50, 190, 70)}
GROUND = (40, 90, 160)
SIDE = 24


def picture(colour: str, x: int, y: int) -> np.ndarray:
    """uint8 RGB (64, 64, 3)."""
    frame = np.empty((SIZE, SIZE, 3), np.uint8)
    frame[:] = GROUND
    frame[y : y + SIDE, x : x + SIDE] = COLOURS[colour]
    return frame


def save_image_model(folder: Path, steps: int = 800, batch: int = 16) -> list[float]:
    """Train and write a StableDiffusionPipeline folder; returns the losses."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    from diffscaler.settings import ROOT
    from training.mini.bundle import Bundle
    from training.mini.vae import encode_frames
    from training.objectives import add_noise, alpha_sigma, prediction_target

    bundle = Bundle.load(ROOT / "assets" / "models" / "mini")
    rng = np.random.default_rng(0)
    pictures, words = [], []
    for _ in range(192):
        colour = str(rng.choice(list(COLOURS)))
        pictures.append(picture(colour, *rng.integers(0, SIZE - SIDE + 1, 2)))
        words.append(f"a {colour} square")
    with torch.no_grad():
        latents = torch.from_numpy(encode_frames(bundle.vae, np.stack(pictures))).float()
        latents *= bundle.vae.config.scaling_factor
        texts = [*sorted(set(words)), ""]
        tokens = bundle.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        known = dict(zip(texts, bundle.text_encoder(tokens).last_hidden_state, strict=True))
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), transformer_layers_per_block=1,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
        cross_attention_dim=bundle.text_encoder.config.hidden_size,
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-3)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (steps - step) / (steps * 0.6))
        chosen = rng.integers(len(latents), size=batch)
        text = torch.stack([known["" if rng.random() < 0.1 else words[i]] for i in chosen])
        clean, levels = latents[chosen], torch.from_numpy(rng.integers(1000, size=batch))
        alpha, sigma = alpha_sigma(scheduler.alphas_cumprod, levels, 4)
        noise = torch.from_numpy(rng.standard_normal(clean.shape).astype(np.float32))
        said = unet(add_noise(clean, noise, alpha, sigma), levels, encoder_hidden_states=text).sample
        loss = (said - prediction_target(clean, noise, alpha, sigma, "v_prediction")).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    StableDiffusionPipeline(
        vae=bundle.vae, text_encoder=bundle.text_encoder, tokenizer=bundle.tokenizer, unet=unet.eval(),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return losses
