"""The recipe "unet3d": what a run of it starts from, and what it does with clips of pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from diffscaler.errors import DiffScalerError
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.unet3d.diffusion import Diffusion, PredictionType, cosine_alphas_cumprod
from diffscaler.text2video.unet3d.family import TextEncoder, Unet3DFamily
from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
from training.events import RunError
from training.objectives import Prediction
from training.recipes.clip_data import ClipData, read_clips
from training.recipes.denoising import Denoising, Example
from training.recipes.levels import Diffused
from training.recipes.unet3d.options import Unet3DRun
from training.recipes.unet3d.words import WIDTH, TrainedWords, caption_encoder, token_ids
from training.task import Batch, Place


class PixelDenoiser:
    """A network of the family, and its encoder where that is trained along. words: int64 token ids (B, tokens) for
    such a one, else text vectors (B, width); without words (B, 0)."""

    def __init__(self, family: Unet3DFamily, words: TrainedWords | None) -> None:
        self.network, self.words = family.network, words
        self.kind = cast(Prediction, family.diffusion.prediction_type)
        self.levels = Diffused(family.diffusion.alphas_cumprod)

    def modules(self) -> dict[str, nn.Module]:
        return {"network": self.network} if self.words is None else {"network": self.network, "words": self.words}

    def predict(self, noisy: Tensor, times: Tensor, words: Tensor, dropped: Tensor, **more: Any) -> Tensor:
        if self.network.config.cond_dim is None:
            return self.network(noisy, times, **more)
        vectors = words if self.words is None else self.words(words)
        return self.network(noisy, times, vectors, dropped, **more)


class Unet3DTask(Denoising):
    """Ho et al. 2022 on pixels; draws with the very class the studio draws with."""

    def __init__(self, config: Unet3DRun, place: Place, clips: ClipData) -> None:
        if config.gradient_checkpointing:
            raise RunError("This network cannot recompute its steps.", "Turn gradient checkpointing off.")
        self.family, trains_words = begin(config, place, clips)
        encoder = self.family.encoder
        self.trained_words = TrainedWords(encoder, encoder.pooling) if encoder and trains_words else None
        self.family.network.requires_grad_(True)
        # The angles of the rotary embedding are written in checkpoints as weights, and are none.
        for name, parameter in self.family.network.named_parameters():
            if name.endswith("rotary_emb.freqs"):
                parameter.requires_grad_(False)
        if self.trained_words is not None:
            self.trained_words.requires_grad_(True)
        self.clips = clips
        super().__init__(
            config,
            place,
            PixelDenoiser(self.family, self.trained_words),
            [self._example(*clip) for clip in zip(clips.frames, clips.captions, strict=True)],
            [self._example(*clip) for clip in zip(clips.apart, clips.apart_captions, strict=True)],
            clips.digest,
        )
        self.options = config
        self.loss_type, self.shared_noise = config.loss_type, config.shared_noise

    @torch.no_grad()
    def _example(self, frames: np.ndarray, captions: Sequence[str]) -> Example:
        # Pixels stay bytes until a batch is made of them: a quarter of the memory.
        pixels = torch.from_numpy(frames).permute(3, 0, 1, 2).contiguous()
        encoder = self.family.encoder
        if encoder is None:
            return Example(pixels, [torch.zeros(0)])
        if self.trained_words is not None:
            return Example(pixels, [token_ids(encoder, caption) for caption in captions])
        return Example(pixels, [encoder(caption)[0].cpu() for caption in captions])

    def batch(self, index: int) -> Batch:
        batch = super().batch(index)
        rng = np.random.default_rng([self.options.seed, 2, index, self.place.process])
        if rng.random() < self.options.image_share:
            # Each frame a clip of its own: nothing can leak between them, in the first layer either.
            frames = batch["latents"].shape[2]
            stills = batch["latents"].transpose(1, 2).flatten(0, 1)[:, :, None]
            words, dropped = (batch[name].repeat_interleave(frames, dim=0) for name in ("words", "dropped"))
            return batch | {"latents": stills, "words": words, "dropped": dropped}
        focused = torch.from_numpy(rng.random(len(batch["latents"])) < self.options.prob_focus_present)
        return batch | {"focused": focused.to(self.place.device)}

    def more(self, batch: Batch, generator: torch.Generator) -> dict[str, Any]:
        focused = batch.get("focused")
        return {} if focused is None or not focused.any() else {"focus_present_mask": focused}

    def known(self) -> dict[str, Any]:
        return self.clips.known

    def prompts(self) -> Sequence[str]:
        return [""] if self.family.encoder is None else self.clips.prompts

    def sample(self, prompt: str, seed: int) -> np.ndarray:
        options = self.options
        sampling = Sampling(
            width=options.image_size,
            height=options.image_size,
            num_frames=options.num_frames,
            num_inference_steps=options.sample_steps,
            guidance_scale=options.cond_scale if self.family.encoder else 1.0,
            seed=seed,
            shared_noise=options.shared_noise,
        )
        text = self.family.encode_text(prompt, "")
        return self.family.decode(self.family.denoise(text, sampling, lambda *_: None))

    def export(self, folder: Path) -> None:
        from training.recipes.unet3d.export import export_unet3d

        export_unet3d(folder, self.options, self.family)


def make_unet3d(config: Unet3DRun, place: Place) -> Unet3DTask:
    """The task of a run. Raises RunError for clips or a model that do not fit."""
    clips = read_clips(
        config.data, place, config.held_out, config.num_frames, config.fps, config.image_size, 1, aspect_ratio=1.0,
        captions_needed=config.use_bert_text_cond,
    )  # fmt: skip
    return Unet3DTask(config, place, clips)


def begin(config: Unet3DRun, place: Place, clips: ClipData) -> tuple[Unet3DFamily, bool]:
    """The model a run starts with, and whether its encoder trains along. Raises RunError."""
    device = SimpleNamespace(torch_name=str(place.device))
    try:
        if config.init:
            family = Unet3DFamily.load(Path(config.init).expanduser(), device)
            network = family.network.config
            if network.cond_dim and family.encoder is None:
                raise RunError(
                    f"{family.name} was taught words, and their encoder is missing.", "Add it, or take another."
                )
            if network.channels != 3:
                raise RunError(f"{family.name} draws {network.channels} channels, not colour.", "Take another.")
            if config.image_size % network.size_multiple:
                raise RunError(
                    f"{family.name} draws sizes that are multiples of {network.size_multiple}.", "Choose another size."
                )
            return family, False
        encoder, trains = None, False
        if config.use_bert_text_cond:
            encoder, trains = encoder_of(config, clips, device)
    except DiffScalerError as error:
        raise RunError(str(error), error.hint) from error
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(config.seed)
        network = Unet3D(
            Unet3DConfig(
                dim=config.dim,
                dim_mults=config.dim_mults,
                cond_dim=None if encoder is None else encoder.model.config.hidden_size,
                attn_heads=config.attn_heads,
                attn_dim_head=config.attn_dim_head,
                init_kernel_size=config.init_kernel_size,
                use_sparse_linear_attn=config.use_sparse_linear_attn,
            )
        )
    kind = "v_prediction" if config.prediction_type == "model" else config.prediction_type
    diffusion = Diffusion(
        cosine_alphas_cumprod(config.timesteps),
        cast(PredictionType, kind),
        config.dynamic_thres_percentile if config.use_dynamic_thres else None,
        config.sampler,
    )
    return Unet3DFamily(network, diffusion, device, encoder, "the model"), trains


def encoder_of(config: Unet3DRun, clips: ClipData, device: Any) -> tuple[TextEncoder, bool]:
    """The encoder of a new network's words, and whether it trains along. Raises ModelNotFound."""
    if not config.text_encoder:
        # Those held out too: which words there are must not hang on which clips are.
        groups = (*clips.captions, *clips.apart_captions, *clips.unread_captions)
        said = (text for group in groups for text in group)
        encoder = caption_encoder(said, config.seed)
        encoder.model.to(device.torch_name)
        encoder.pooling = config.text_pooling
        return encoder, True
    folder = Path(config.text_encoder)
    try:
        width = int(json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError):
        width = WIDTH  # `load` says in its own words what is wrong with the folder
    return TextEncoder.load(folder, config.text_pooling, width, device), False
