"""Fine-tuning with encoded clips kept, beside the loop of Hotshot-XL's script, which encodes all of them every step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result

FRAMES, SIZE, CLIPS, STEPS = 8, 256, 4, 8

#: SDXL's proportions, an eighth of its width: (U-Net, VAE).
WIDTHS = (32, 64, 128), (16, 32, 64, 64)


def run(folder: Path) -> Iterator[Result]:
    from diffscaler import compat

    compat.install()
    write_model(folder / "model")
    write_clips(folder / "clips")
    steps(folder, True, 1)  # throw-away steps: both runs then find clips, libraries and memory warm
    kept, losses, loading = steps(folder, True)
    every, same, _ = steps(folder, False)
    loop = "the script's loop: VAE and both text encoders each step"
    yield Result("train_steps", STEPS / kept, "steps/s", loop, STEPS / every, "higher")
    gap = float(np.abs(np.array(losses) - np.array(same)).max())
    yield Result("train_loss", gap, "largest gap", "mean loss of the script's loop", float(np.mean(same)), "lower")
    yield Result("train_loading", loading, "s", "seconds of the steps, loading included", kept, "lower")


def steps(folder: Path, use_cache: bool, count: int = STEPS) -> tuple[float, list[float], float]:
    """(seconds, losses, seconds of them in loading) of updates, without what happens once before them."""
    import torch

    from training.finetune.options import TemporalConfig
    from training.finetune.temporal import TemporalTask
    from training.optimizer import make_optimizer
    from training.task import Place

    config = TemporalConfig(
        output_dir=str(folder / "out"), data=str(folder / "clips"), num_frames=FRAMES, resolution=SIZE,
        pretrained_model_name_or_path=str(folder / "model"), cache_dir=str(folder / "cache"), use_cache=use_cache,
        max_train_steps=STEPS, validate_every_steps=0, held_out=0, learning_rate=1e-4, seed=3,
    )  # fmt: skip
    task: Any = TemporalTask(config, Place(torch.device("cpu"), folder / "out"))
    parameters = [parameter for _, parameter in task.trainable()]
    optimizer = make_optimizer(config, parameters, config.learning_rate)
    losses, loading, began = [], 0.0, time.perf_counter()
    for step in range(count):
        before = time.perf_counter()
        batch = task.batch(step)
        loading += time.perf_counter() - before
        loss = task.loss(batch, torch.Generator().manual_seed(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return time.perf_counter() - began, losses, loading


def write_model(path: Path) -> None:
    """AnimateDiff-SDXL in small, with random weights."""
    import string

    import torch
    from diffusers import (
        AnimateDiffSDXLPipeline,
        AutoencoderKL,
        EulerDiscreteScheduler,
        MotionAdapter,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(0)
    letters = string.ascii_lowercase
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)

    def text(width: int, layers: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(words), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
            num_attention_heads=4, max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
            projection_dim=160,
        )  # fmt: skip

    widths, vae_widths = WIDTHS
    unet = UNet2DConditionModel(
        block_out_channels=widths, down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=2,
        attention_head_dim=(2, 4, 8), cross_attention_dim=96 + 160, transformer_layers_per_block=(1, 2, 10),
        sample_size=SIZE // 8, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=32, projection_class_embeddings_input_dim=160 + 6 * 32,
    )  # fmt: skip
    adapter = MotionAdapter(
        block_out_channels=widths, motion_layers_per_block=2, motion_num_attention_heads=8, use_motion_mid_block=False
    )
    vae = AutoencoderKL(
        block_out_channels=vae_widths, down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=8, sample_size=SIZE,
    )  # fmt: skip
    AnimateDiffSDXLPipeline(
        vae=vae, unet=unet, motion_adapter=adapter, tokenizer=tokenizer, tokenizer_2=tokenizer,
        text_encoder=CLIPTextModel(text(96, 12)), text_encoder_2=CLIPTextModelWithProjection(text(160, 32)),
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    ).save_pretrained(path)  # fmt: skip


def write_clips(path: Path) -> None:
    """Clips as Hotshot-XL's script wants them: folders of pictures with a prompt.txt."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for clip in range(CLIPS):
        folder = path / f"clip-{clip}"
        folder.mkdir(parents=True)
        scene = rng.integers(0, 255, (SIZE // 8, SIZE // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        for i in range(FRAMES):
            Image.fromarray(np.roll(scene, 4 * i, axis=1)).save(folder / f"frame_{i}.png")
        (folder / "prompt.txt").write_text("coloured squares move to the right")
