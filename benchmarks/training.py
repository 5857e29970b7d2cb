"""Fine-tuning with encoded clips kept, beside the loop of Hotshot-XL's script, which encodes all of them every step.

Two cores of a Zen 4, one run, some other work beside it: 2.04 times the script's steps a second with what is kept,
products in bfloat16 and compiled transformer blocks (1.81 times the script in bfloat16), losses 0.0003 apart at most of
1.12; 1.57 times compiled in float32, losses equal to seven places; 1.23 with what is kept alone (1.31 on free cores).
The goal is 2. What is kept saves the VAE and both text encoders, a quarter of a step at SDXL's proportions; the rest is
the U-Net forward and back, half of it small operations that compiling joins. Fused attention was slower back on short
sequences than plain products; compiling the residual blocks as well gained nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.result import Result

FRAMES, SIZE, CLIPS, WARM, STEPS = 8, 256, 4, 1, 8

#: SDXL's proportions, an eighth of its width: (U-Net, VAE).
WIDTHS = (32, 64, 128), (16, 32, 64, 64)


def run(folder: Path) -> Iterator[Result]:
    from diffscaler import compat

    compat.install()
    write_model(folder / "model")
    write_clips(folder / "clips")
    kept, script = Way(folder, use_cache=True), Way(folder, use_cache=False)
    others = {"compiled": Way(folder, use_cache=True, compiled=True)} if has_compiler() else {}
    lower = Way(folder, use_cache=False, bfloat16=True) if fast_bfloat16() else None
    if lower:
        others["bf16"] = Way(folder, use_cache=True, bfloat16=True)
        if has_compiler():
            others["bf16, compiled"] = Way(folder, use_cache=True, bfloat16=True, compiled=True)
    ways = [kept, script, *others.values(), *([lower] if lower else [])]
    for step in range(WARM + STEPS):  # in turns, so that what else the machine does hits all alike
        for way in ways:
            way.step(step)
    loop = "the script's loop: VAE and both text encoders each step"
    yield Result("train_steps", 1 / kept.took, "steps/s", loop, 1 / script.took, "higher")
    yield Result("train_loss", kept.gap(script), "largest gap", "mean loss of the script's loop", script.mean, "lower")
    yield Result("train_loading", kept.loading, "s", "seconds of a step, loading included", kept.took, "lower")
    for name, way in others.items():
        yield Result(f"train_steps {name}", 1 / way.took, "steps/s", f"{loop}, in float32", 1 / script.took, "higher")
        if lower and way.bfloat16:
            yield Result(f"train_steps {name}", 1 / way.took, "steps/s", f"{loop}, in bf16", 1 / lower.took, "higher")
        yield Result(f"train_loss {name}", way.gap(script), "largest gap", "mean loss of it", script.mean, "lower")


def has_compiler() -> bool:
    """Whether torch can compile for a processor here."""
    import shutil

    return any(shutil.which(name) for name in ("g++", "c++", "clang++"))


def fast_bfloat16() -> bool:
    from diffscaler.models.device import pick_device

    return pick_device("cpu").dtype == "bfloat16"


class Way:
    """One way to fine-tune, from the same weights with the same random numbers as the others.

    use_cache: clips and captions encoded once, as this trainer does; bfloat16: products of matrices in it, which
    processors with such instructions do faster; compiled: kernels made for the transformer blocks
    """

    def __init__(self, folder: Path, use_cache: bool, bfloat16: bool = False, compiled: bool = False) -> None:
        import torch

        from training.finetune.options import TemporalConfig
        from training.finetune.temporal import TemporalTask
        from training.optimizer import make_optimizer
        from training.task import Place

        self.config = TemporalConfig(
            output_dir=str(folder / "out"), data=str(folder / "clips"), num_frames=FRAMES, resolution=SIZE,
            pretrained_model_name_or_path=str(folder / "model"), cache_dir=str(folder / "cache"), use_cache=use_cache,
            max_train_steps=WARM + STEPS, validate_every_steps=0, held_out=0, learning_rate=1e-4, seed=3,
            compile=compiled,
        )  # fmt: skip
        self.bfloat16 = bfloat16
        self.task: Any = TemporalTask(self.config, Place(torch.device("cpu"), folder / "out"))
        self.parameters = [parameter for _, parameter in self.task.trainable()]
        self.optimizer = make_optimizer(self.config, self.parameters, self.config.learning_rate)
        self.losses: list[float] = []
        self.seconds: list[tuple[float, float]] = []

    def step(self, step: int) -> None:
        import torch

        began = time.perf_counter()
        batch = self.task.batch(step)
        loaded = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = self.task.loss(batch, torch.Generator().manual_seed(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(float(loss.detach()))
        self.seconds.append((loaded - began, time.perf_counter() - began))

    @property
    def took(self) -> float:
        """Seconds of a step."""
        return median(whole for _, whole in self.seconds[WARM:])

    @property
    def loading(self) -> float:
        return median(loading for loading, _ in self.seconds[WARM:])

    @property
    def mean(self) -> float:
        return float(np.mean(self.losses))

    def gap(self, other: Way) -> float:
        """The largest difference of their losses."""
        return float(np.abs(np.array(self.losses) - np.array(other.losses)).max())


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
