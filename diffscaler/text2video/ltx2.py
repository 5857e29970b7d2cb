"""LTX-2, from words, or from a picture and words with the same weights: pictures and their sound. HaCohen et al. 2026.

How it is guided is the library's usual way for it: three kinds of guidance at each step, and tamed contrast. Only how
strongly pictures hold to the prompt is a person's choice; a scale of 1 turns all of it off, for distilled checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from diffscaler.text2video.family import Array, OnStep, Sampling, Sound
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.library import LibraryFamily, same_parts, with_picture
from diffscaler.text2video.motion import to_numpy

#: Blocks whose self-attention is left out for spatio-temporal guidance, as published: of LTX-2.0 and of later ones.
SKIPPED_BLOCKS = (29, 28)

#: What turns guidance off, all kinds of it and for both pictures and sound.
UNGUIDED = {
    "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0, "audio_guidance_scale": 1.0,
    "audio_stg_scale": 0.0, "audio_modality_scale": 1.0, "audio_guidance_rescale": 0.0,
}  # fmt: skip


class Ltx2(LibraryFamily):
    """128 latent channels; the VAE makes one latent of 8 frames of 32 x 32 pixels. Latents travel as tokens."""

    pipeline_class: ClassVar[str] = "LTX2Pipeline"
    picture_class: ClassVar[str] = "LTX2ImageToVideoPipeline"

    def __init__(self, pipeline: Any, device: Any, path: Path) -> None:
        from diffusers.pipelines.ltx2.utils import resolve_default_image_crf

        super().__init__(pipeline, device, path)
        # Asked now: encoders may wait elsewhere while a clip is drawn.
        self.later = bool(pipeline.connectors.config.per_modality_projections)
        self.sound_channels = int(pipeline.connectors.audio_connector.inner_dim)
        self.image_crf = resolve_default_image_crf(pipeline.text_encoder)

    @classmethod
    def load(cls, path: Path, device: Any) -> Ltx2:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        # Prompts are taken as they are written, and lengths are asked for.
        return open_pipeline(
            path, cls.pipeline_class, device.dtype, lambda pipeline: cls(pipeline, device, path),
            processor=None, prompt_enhancer=None, duration_head=None,
        )  # fmt: skip

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        """What the connectors make of the encoder's layers: these alone are fifty times as much, and wanted by none."""
        pipeline = self.pipeline
        positive, mask, negative, negative_mask = pipeline.encode_prompt(
            prompt, negative_prompt or "", True, device=self.device
        )
        side = pipeline.tokenizer.padding_side
        pictures, sound, seen = pipeline.connectors(
            torch.cat([negative, positive]), torch.cat([negative_mask, mask]), padding_side=side
        )
        both = torch.cat([pictures, sound], dim=-1)
        return {
            "prompt_embeds": both[1:],
            "prompt_attention_mask": seen[1:],
            "negative_prompt_embeds": both[:1],
            "negative_prompt_attention_mask": seen[:1],
        }

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        last = self.pipeline.transformer.config.num_layers - 1
        given = {
            "frame_rate": sampling.fps,
            "use_cross_timestep": self.later,
            "spatio_temporal_guidance_blocks": [min(SKIPPED_BLOCKS[self.later], last)],
        }
        picture = with_picture(sampling)
        given |= picture | ({"image_crf": self.image_crf} if picture else {})
        return super().arguments(sampling) | given | ({} if sampling.guidance_scale > 1 else UNGUIDED)

    def beginning(self, sampling: Sampling, generator: torch.Generator) -> tuple[Any, dict[str, Any]]:
        pipeline, begin = super().beginning(sampling, generator)
        if pipeline is self.pipeline:
            pipeline = same_parts(pipeline, self.pipeline_class)
        pipeline.connectors = Connected(self.sound_channels)
        return pipeline, begin

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        pipeline, vae = self.pipeline, self.pipeline.vae
        if latents.ndim == 3:  # while a picture begins to move, the sampler sees the frames after it, not as tokens
            height = sampling.height // pipeline.vae_spatial_compression_ratio
            width = sampling.width // pipeline.vae_spatial_compression_ratio
            frames = (sampling.num_frames - 1) // pipeline.vae_temporal_compression_ratio + 1
            patches = (pipeline.transformer_spatial_patch_size, pipeline.transformer_temporal_patch_size)
            latents = pipeline._unpack_latents(latents, frames, height, width, *patches)
        return pipeline._denormalize_latents(
            latents, vae.latents_mean, vae.latents_std, vae.config.scaling_factor
        )[0]  # fmt: skip

    def finished(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        return latents[0]  # the pipeline has unpacked and scaled them

    @torch.inference_mode()
    def denoise_with_sound(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> tuple[Array, Array]:
        """See SoundingFamily; latents of sound: (C, L, mel bins)."""
        pictures, sound = self.sampled(text, sampling, on_step)
        return to_numpy(self.finished(pictures, sampling)), to_numpy(sound[0])

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        vae = self.pipeline.vae
        told = torch.zeros(1, device=latents.device, dtype=latents.dtype) if vae.config.timestep_conditioning else None
        return vae.decode(latents, told).sample

    @torch.inference_mode()
    def decode_sound(self, latents: Array) -> Sound:
        """See SoundingFamily."""
        vae, vocoder = self.pipeline.audio_vae, self.pipeline.vocoder
        spectrogram = vae.decode(torch.from_numpy(latents)[None].to(self.device, vae.dtype)).sample
        samples = to_numpy(vocoder(spectrogram)[0])
        return Sound(np.clip(samples, -1, 1), int(vocoder.config.output_sampling_rate))


class Connected:
    """In a pipeline's place for connectors while it draws: takes what they made of the words apart again.

    sound_channels: of the embeddings, the last so many are for the sound
    """

    def __init__(self, sound_channels: int) -> None:
        self.sound_channels = sound_channels

    def __call__(
        self, embeddings: torch.Tensor, mask: torch.Tensor, padding_side: str = "left"
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(B, tokens, C) of both and their mask (B, tokens) -> those for pictures, those for sound, the mask."""
        return embeddings[..., : -self.sound_channels], embeddings[..., -self.sound_channels :], mask
