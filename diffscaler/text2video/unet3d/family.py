"""The `unet3d` family: a network that draws a clip's pixels, with no VAE. Its "latents" are the pixels in -1..1.

A folder holds one .pt or .safetensors file; a network that was taught words needs their encoder too, as transformers
saves it, in text_encoder/ and tokenizer/. model.toml may hold a table [unet3d] with the fields of `Unet3DSettings`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Array, OnStep, Sampling, spread
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.noise import mixed_noise
from diffscaler.text2video.unet3d.diffusion import (
    SAMPLERS,
    Diffusion,
    SamplerName,
    cosine_alphas_cumprod,
)
from diffscaler.text2video.unet3d.load import build_network, read_checkpoint, read_settings, weights_file
from diffscaler.text2video.unet3d.network import Unet3D
from diffscaler.text2video.vocabulary import Reading

# Grey, colour, colour with alpha: what the trainers read from GIF files.
PICTURE_CHANNELS = (1, 3, 4)

ENCODER_HINT = "Add bert-base-cased to the folder, as transformers saves it, in text_encoder and tokenizer."


class TextEncoder:
    """Turns words into the one vector a network was taught with.

    tokenizer, model: of transformers, BERT-like; pooling: "mean" of the tokens after the first, or the first ("cls")
    """

    def __init__(self, tokenizer: Any, model: Any, pooling: Literal["mean", "cls"]) -> None:
        self.tokenizer, self.model, self.pooling = tokenizer, model, pooling
        self.max_tokens = min(int(tokenizer.model_max_length), int(model.config.max_position_embeddings))

    @classmethod
    def load(cls, path: Path, pooling: Literal["mean", "cls"], cond_dim: int, device: Any) -> TextEncoder:
        """Load text_encoder/ and tokenizer/ of a folder.

        Raises ModelNotFound when one is missing or damaged, or gives vectors that are not `cond_dim` wide.
        """
        from diffscaler import compat

        compat.install()  # before the first import of transformers
        from transformers import AutoModel, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(str(path / "tokenizer"), local_files_only=True)
            with torch.random.fork_rng(devices=()):  # it draws numbers for what a file lacks
                model, report = AutoModel.from_pretrained(
                    str(path / "text_encoder"),
                    local_files_only=True,
                    use_safetensors=True,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
        except Exception as error:  # transformers, tokenizers and safetensors each raise their own
            raise ModelNotFound(f"The text encoder in {path.name} cannot be loaded.", ENCODER_HINT) from error
        # Of a BERT only the pooler may be missing: nothing here reads it.
        lacking = [key for key in report["missing_keys"] if not key.startswith("pooler.")]
        if lacking or model.config.hidden_size != cond_dim:
            fault = "lacks weights" if lacking else f"gives {model.config.hidden_size} numbers, not {cond_dim}"
            raise ModelNotFound(f"The text encoder in {path.name} {fault}.", ENCODER_HINT)
        return cls(tokenizer, model.eval().requires_grad_(False).to(device.torch_name), pooling)

    def __call__(self, text: str) -> torch.Tensor:
        """float32 (1, width), on the encoder's device. What is too long for it is left out at the end."""
        tokens = self.tokenizer([text], truncation=True, max_length=self.max_tokens, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        states = self.model(**tokens).last_hidden_state
        return states[:, 0] if self.pooling == "cls" else mean_after_first(states, tokens["attention_mask"])


def mean_after_first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of the tokens after the first, [CLS], padding left out; 0 where there are none.

    states: (B, tokens, width); mask: (B, tokens), 0 for padding -> (B, width)
    """
    kept = mask[:, 1:, None].to(states.dtype)
    return (states[:, 1:] * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)


def load_unet3d(spec: ModelSpec, device: Any) -> Unet3DFamily:
    """Load `spec.path`, a folder or its weights file, on `device` (models.device.Device).

    Raises ModelNotFound when the folder is not of this family, or a part of it is missing or damaged.
    """
    if spec.path is None:
        raise ModelNotFound(f"{spec.title} has no folder.", "Add the model again.")
    return Unet3DFamily.load(spec.path, device)


class Unet3DFamily:
    """network: on the CPU; encoder: None for a network without words, or when it is not there; name: for messages.

    note: one sentence for the person who wrote a prompt, "" when the network reads it
    Computes in float32 on every device: at the noisiest levels the clean clip is the prediction times several hundred
    (1 / alpha), and so is a rounding error.
    """

    decodes_whole = False
    frugal = None  # small enough to be taken or left

    def __init__(
        self, network: Unet3D, diffusion: Diffusion, device: Any, encoder: TextEncoder | None, name: str
    ) -> None:
        self.device = torch.device(device.torch_name)
        self.network = network.to(self.device)
        self.diffusion, self.encoder, self.name = diffusion, encoder, name
        self.note = "" if network.config.cond_dim else f"{name} draws without words: it was trained on clips alone."

    @classmethod
    def load(cls, path: Path, device: Any) -> Unet3DFamily:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        file = weights_file(path)
        settings = read_settings(file.parent / "model.toml")
        checkpoint = read_checkpoint(file, settings.weights)
        network = build_network(checkpoint.state, file)
        config = network.config
        if config.channels not in PICTURE_CHANNELS or config.out_dim is not None:
            raise ModelNotFound(
                f"{file.name} takes {config.channels} channels and draws {config.out_dim or config.channels}, "
                "not a picture's 1, 3 or 4 both times.",
                "Use a network trained on grey or colour clips.",
            )
        timesteps = checkpoint.num_train_timesteps or settings.num_train_timesteps
        if timesteps is None:
            raise ModelNotFound(
                f"{file.name} does not say how many noise levels it was trained on.",
                'Write num_train_timesteps in a table [unet3d] of a "model.toml" beside it.',
            )
        encoder = None
        if config.cond_dim and any((file.parent / part).is_dir() for part in ("text_encoder", "tokenizer")):
            encoder = TextEncoder.load(file.parent, settings.text_pooling, config.cond_dim, device)
        diffusion = Diffusion(
            cosine_alphas_cumprod(timesteps),
            settings.prediction_type,
            settings.dynamic_thresholding_ratio,
            settings.sampler,
        )
        return cls(network, diffusion, device, encoder, path.stem if path.is_file() else path.name)

    def read(self, prompt: str) -> Reading | None:
        """None: which words the network learnt is not in its file."""
        return None

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """prompt_embeds: float32 (1, cond_dim), (1, 0) for a network without words; `note` tells of that.

        negative_prompt_embeds: likewise, absent when nothing is unwanted: the network's own "no words" is used then.
        Raises ModelNotFound when a network was taught words and their encoder is not there.
        """
        if self.network.config.cond_dim is None:
            return {"prompt_embeds": np.zeros((1, 0), np.float32)}
        if self.encoder is None:
            raise ModelNotFound(
                f"{self.name} was taught words, but the encoder it learnt them with is not in its folder.",
                ENCODER_HINT,
            )
        words = {"prompt_embeds": prompt, "negative_prompt_embeds": negative_prompt}
        return {
            name: self.encoder(text).cpu().numpy()
            for name, text in words.items()
            if name == "prompt_embeds" or text.strip()
        }

    @torch.inference_mode()
    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        """The clip's pixels, float32 (C, F, height, width) in -1..1; C is 1, 3 or 4.

        on_step(done, total, predicted clean pixels, same shape) after each step; it may raise. A network has as many
        steps as noise levels it was trained on; more are not made. guidance_scale 1 is one forward pass a step.
        Raises InvalidRequest for a sampler this family does not have.
        """
        diffusion = self.diffusion
        if sampling.scheduler != "native":
            if sampling.scheduler not in SAMPLERS:
                raise InvalidRequest(
                    f"{self.name} has no sampler {sampling.scheduler!r}.", f"Choose native, {', '.join(SAMPLERS)}."
                )
            diffusion = replace(diffusion, sampler=cast(SamplerName, sampling.scheduler))
        multiple = self.network.config.size_multiple
        # The network halves sizes evenly; what is drawn beyond the size asked for is cut off.
        size = tuple(-(-pixels // multiple) * multiple for pixels in (sampling.height, sampling.width))
        shape = (1, self.network.config.channels, sampling.num_frames, *size)
        # Drawn on the CPU whatever the device: the same seed is the same noise everywhere.
        generator = torch.Generator("cpu").manual_seed(sampling.seed)
        words = self._words(text, sampling.guidance_scale != 1)

        def predict(noisy: torch.Tensor, index: int) -> torch.Tensor:
            rows = 1 if words is None else len(words)
            time = torch.full((rows,), index, device=self.device)
            predicted = self.network(noisy.repeat(rows, 1, 1, 1, 1), time, words)
            if rows == 1:
                return predicted
            without, with_words = predicted.chunk(2)
            return guided(without, with_words, sampling.guidance_scale, sampling.guidance_rescale)

        def cut(clip: torch.Tensor) -> Array:
            return np.ascontiguousarray(clip[0, :, :, : sampling.height, : sampling.width].cpu().numpy())

        clip = diffusion.sample(
            predict,
            lambda: mixed_noise(shape, sampling.shared_noise or 0.0, generator).to(self.device),
            sampling.num_inference_steps,
            lambda done, total, clean: on_step(done, total, cut(clean)),
        )
        return cut(clip)

    def _words(self, text: dict[str, Array], guidance: bool) -> torch.Tensor | None:
        """Text vectors for the network, (1, cond_dim), or (2, cond_dim) with those guidance leads away from first."""
        null = self.network.null_cond_emb
        if null is None:
            return None
        words = torch.from_numpy(text["prompt_embeds"]).to(self.device)
        if not guidance:
            return words
        unwanted = text.get("negative_prompt_embeds")
        return torch.cat((null if unwanted is None else torch.from_numpy(unwanted).to(self.device), words))

    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        """Pixels (C, F, h, w) in -1..1 -> uint8 RGB (F, h, w, 3). Grey is repeated, transparent is black."""
        unit = np.clip((latents.astype(np.float32) + 1) / 2, 0, 1)
        if len(unit) == 4:
            unit = unit[:3] * unit[3:]
        pictures = np.round(unit * 255).astype(np.uint8).transpose(1, 2, 3, 0)
        return np.ascontiguousarray(np.broadcast_to(pictures, (*pictures.shape[:3], 3)))

    def preview(self, clean: Array, num_frames: int) -> npt.NDArray[np.uint8]:
        """Up to `num_frames` frames of an unfinished clip, evenly apart, uint8 RGB (N, h, w, 3)."""
        return self.decode(clean[:, spread(clean.shape[1], num_frames)])
