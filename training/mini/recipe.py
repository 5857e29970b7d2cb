"""The recipe: VAE, latents, images, motion, a polish of the decoder, and distillation to few steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError

from diffscaler.text2video.layout import channels_last
from training.checkpoint import newest, replacing
from training.clips import ClipSet
from training.compute import Compute
from training.config import TrainingConfig
from training.events import Preparing, RunError, StopSignal
from training.loop import Loop, Schedule, Stage
from training.mini.about import guidance_inside, write_about
from training.mini.bundle import Bundle
from training.mini.denoise_stage import DenoiseStage
from training.mini.distil_stage import DistilStage
from training.mini.text import build_text_encoder, build_tokenizer
from training.mini.unet import add_motion, build_unet
from training.mini.vae import build_vae, encode_frames
from training.mini.vae_stage import VaeStage
from training.mirror import sides_of

#: Clips between two signs of life while the latents are made.
ENCODED_PER_EVENT = 16


def train_mini(config: TrainingConfig, clips: ClipSet, stop: StopSignal) -> Path | None:
    """Train and export. Returns the model folder, or None when the run was stopped (the folder is written then too)."""
    output_dir = Path(config.output_dir)
    loop = Loop(output_dir, Schedule(config.checkpoint_every, config.sample_every), stop)
    compute = Compute.choose(config.device, config.compile)
    bundle = _start(config, clips, newest(loop.checkpoint))
    if config.shared_noise is not None:
        bundle.shared_noise = config.shared_noise
    bundle.sides = sides_of(config)
    bundle.guided = guidance_inside(Path(config.init) if config.init else None)
    prompts = config.sample_prompts or tuple(c[0] for c in clips.captions[:4])
    latents: list[np.ndarray] = []
    reached: list[str] = []  # "distil", once that stage has begun

    def denoise(total: int, batch: int, kind: Callable[..., DenoiseStage] = DenoiseStage) -> Stage:
        if not latents:
            preparing = Preparing(loop.events, stop, "encoding", len(clips), ENCODED_PER_EVENT)
            latents.append(_latents(bundle, clips, output_dir, preparing, compute))
        return kind(
            bundle,
            latents[0],
            clips.masks,
            clips.captions,
            total,
            batch,
            config.learning_rate,
            config.seed,
            config.frames_per_step,
            config.full_length_share,
            prompts,
            compute,
            config.image_batch,
            config.image_share,
        )

    def image() -> Stage:
        return denoise(config.image_steps, config.image_batch)

    def motion() -> Stage:
        if not hasattr(bundle.unet, "motion_modules") and bundle.unet.__class__.__name__ != "UNetMotionModel":
            torch.manual_seed(config.seed)  # the new layers must not depend on whether the run was stopped before
            bundle.unet = add_motion(bundle.unet)
        return denoise(config.motion_steps, config.motion_batch)

    def vae(decoder_only: bool = False) -> Stage:
        total = config.decoder_steps if decoder_only else config.vae_steps
        return VaeStage(
            bundle, clips, total, config.vae_batch, config.learning_rate, config.seed, decoder_only, compute
        )

    def distil() -> Stage:
        reached.append("distil")
        kind = partial(DistilStage, steps=config.distil_to, guidance=config.distil_guidance)
        return denoise(config.distil_steps, config.motion_batch, kind)

    finished = loop.run(
        [
            ("vae", config.vae_steps, vae),
            ("image", config.image_steps, image),
            ("motion", config.motion_steps, motion),
            ("decoder", config.decoder_steps, lambda: vae(decoder_only=True)),
            ("distil", config.distil_steps, distil),
        ],
        recipe="mini",
        clips=len(clips),
        seed=config.seed,
        device=compute.name,
    )
    model = output_dir / "model"

    def about(folder: Path) -> None:
        write_about(folder, config, clips.captions, bool(reached))

    if not finished:
        _export_checkpoint(loop.checkpoint, model, about)
        loop.events.write("stopped", model=str(model))
        return None
    with replacing(model) as part:
        bundle.export(part)
        about(part)
    loop.events.write("done", model=str(model))
    return model


def _start(config: TrainingConfig, clips: ClipSet, checkpoint: Path | None) -> Bundle:
    """The parts a run begins with: its checkpoint's, the given model's, or new ones from the seed."""
    if checkpoint:
        return Bundle.load(checkpoint)
    if config.init:
        try:
            return Bundle.load(Path(config.init))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise RunError(
                f"{config.init} is not a model that can be trained further ({error}).",
                "Give a folder in the layout of assets/models/mini.",
            ) from error
    torch.manual_seed(config.seed)
    tokenizer = build_tokenizer(c for group in clips.captions for c in group)
    if config.vae_from:
        try:
            vae = AutoencoderKL.from_pretrained(Path(config.vae_from) / "vae", torch_dtype=torch.float32)
        except (OSError, ValueError, SafetensorError) as error:
            raise RunError(
                f"{config.vae_from} holds no VAE ({error}).", "Give a model folder that has a vae folder in it."
            ) from error
    else:
        vae = build_vae(config.vae_widths, config.size)
    return Bundle(
        vae=vae,
        tokenizer=tokenizer,
        text_encoder=build_text_encoder(tokenizer, config.text_width),
        unet=build_unet(config.unet_widths, config.text_width, config.size // 2 ** (len(config.vae_widths) - 1)),
    )


def _latents(bundle: Bundle, clips: ClipSet, output_dir: Path, preparing: Preparing, compute: Compute) -> np.ndarray:
    """Latents of every frame, float16 (N, F, 4, h, w); kept beside the run, for they take minutes to make."""
    digest = hashlib.sha256()
    for tensor in bundle.vae.encoder.state_dict().values():
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    digest.update(json.dumps([clips.frames.shape, clips.captions[0]]).encode())
    path = output_dir / f"latents-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        vae = channels_last(bundle.vae.to(compute.device)).eval()
        encoded = []
        for i, clip in enumerate(clips.frames):
            with compute.autocast():
                encoded.append(encode_frames(vae, clip))
            preparing(i + 1)
        for old in output_dir.glob("latents-*.npy"):
            old.unlink()
        part = path.with_suffix(".part.npy")
        np.save(part, np.stack(encoded))
        part.replace(path)
    return np.load(path)


def _export_checkpoint(checkpoint: Path, model: Path, about: Callable[[Path], None]) -> None:
    """Make a usable model of a stopped run's checkpoint, with the averaged weights where there are some."""
    folder = newest(checkpoint)
    assert folder is not None
    with replacing(model) as part:
        load_averaged(folder).export(part)
        about(part)


def load_averaged(folder: Path) -> Bundle:
    """A checkpoint's parts with their averaged weights."""
    from safetensors.torch import load_file

    bundle = Bundle.load(folder)
    average = folder / "average.safetensors"
    if average.exists():
        for name, value in load_file(average).items():
            module, _, parameter = name.partition(".")
            bundle.modules()[module].get_parameter(parameter).data.copy_(value)
    return bundle
