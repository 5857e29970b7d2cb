"""The recipe "dit": latents of clips of any size and length, a flow, and a transformer that learns it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffscaler.models.catalogue import text2video_folder
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.wan import Wan
from training.objectives import Prediction
from training.recipes.clip_data import Clip, ClipData, read_clips
from training.recipes.denoising import Denoising, Example
from training.recipes.dit.model import FRAME_STEP, SIZE_STEP, begin, shift_of
from training.recipes.dit.options import DitRun
from training.recipes.levels import Flow
from training.recipes.model_card import LICENCE, noise_said, title_of, without_paths, write_card
from training.task import Place


class FlowDenoiser:
    """transformer: WanTransformer3DModel; nothing: the embedding of no words, (tokens, width)."""

    kind: Prediction = "flow"

    def __init__(self, transformer: nn.Module, levels: Flow, nothing: Tensor) -> None:
        self.transformer, self.levels, self.nothing = transformer, levels, nothing

    def modules(self) -> dict[str, nn.Module]:
        return {"transformer": self.transformer}

    def predict(self, noisy: Tensor, times: Tensor, words: Tensor, dropped: Tensor, **more: Any) -> Tensor:
        words = torch.where(dropped[:, None, None], self.nothing.to(words), words)
        return self.transformer(noisy, times, words, return_dict=False)[0]


class DitTask(Denoising):
    """Flow matching (Lipman et al. 2023) over a Wan folder's latents; draws with the class the studio draws with."""

    def __init__(self, config: DitRun, place: Place, clips: ClipData) -> None:
        self.family: Wan = begin(config, place)
        self.options, self.clips = config, clips
        transformer = self.family.pipeline.transformer.requires_grad_(True)
        if config.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        self.shared_noise = config.shared_noise
        self._known: dict[str, Tensor] = {}
        nothing = self._words("", "negative_prompt_embeds").to(place.device)
        super().__init__(
            config,
            place,
            FlowDenoiser(transformer, Flow(shift_of(self.family.pipeline.scheduler)), nothing),
            self._examples(place, clips.frames, clips.captions),
            self._examples(place, clips.apart, clips.apart_captions),
            clips.digest,
        )

    def _examples(self, place: Place, frames: Sequence[Clip], captions: Sequence[Sequence[str]]) -> list[Example]:
        made: list[Example] = []
        for clip, said in zip(frames, captions, strict=True):
            latents = torch.from_numpy(self.family.encode(clip))
            made.append(Example(latents, [self._words(caption) for caption in said]))
            place.preparing("encoding", len(made), len(frames))
        return made

    def _words(self, caption: str, name: str = "prompt_embeds") -> Tensor:
        """float32 (tokens, width), on the CPU; each caption is read once."""
        key = f"{name}:{caption}"
        if key not in self._known:
            self._known[key] = torch.from_numpy(self.family.encode_text(caption, "")[name][0])
        return self._known[key]

    def known(self) -> dict[str, Any]:
        return self.clips.known

    def prompts(self) -> Sequence[str]:
        return self.clips.prompts

    def sample(self, prompt: str, seed: int) -> Clip:
        frames, height, width = self.clips.frames[0].shape[:3]
        sampling = Sampling(
            width=width,
            height=height,
            num_frames=frames,
            num_inference_steps=self.options.sample_steps,
            guidance_scale=self.options.guidance_scale,
            seed=seed,
            shared_noise=self.options.shared_noise,
        )
        text = self.family.encode_text(prompt, "")
        return self.family.decode(self.family.denoise(text, sampling, lambda *_: None))

    def export(self, folder: Path) -> None:
        """A Wan folder: the VAE and the text encoder of the one begun with, the transformer and its sampler."""
        export_dit(folder, self.options, self.family, self.clips.frames[0].shape)


def export_dit(folder: Path, config: DitRun, family: Wan, shape: tuple[int, ...], steps: int | None = None) -> None:
    """shape: (F, H, W, 3) of a clip the model knows; steps: how many it is drawn in, where it was distilled to that."""
    from training.finetune.export import take_over  # which needs the library mended before it loads

    take_over(family.path, folder, ("transformer", "scheduler"))
    pipeline = family.pipeline
    pipeline.transformer.save_pretrained(str(folder / "transformer"))
    pipeline.scheduler.save_pretrained(str(folder / "scheduler"))
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index["scheduler"] = ["diffusers", type(pipeline.scheduler).__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    without_paths(folder)
    native = {
        "width": shape[2],
        "height": shape[1],
        "num_frames": shape[0],
        "fps": round(config.fps),
        "num_inference_steps": steps or config.sample_steps,
        "guidance_scale": config.guidance_scale if steps is None else 1.0,
    }
    tables = {"native": native} | ({} if steps is None else {"traits": {"guided": True}})
    # The encoders are somebody's work.
    about = {"licence": f"{text2video_folder(family.path).licence}; {LICENCE}"} | noise_said(config.shared_noise)
    write_card(folder, title_of(config.output_dir), tables, **about)


def make_dit(config: DitRun, place: Place) -> DitTask:
    """The task of a run. Raises RunError for clips or a model that do not fit."""
    clips = read_clips(
        config.data, place, config.held_out, legal_length(config.num_frames), config.fps, config.resolution, SIZE_STEP,
        legal=legal_length,
    )  # fmt: skip
    return DitTask(config, place, clips)


def legal_length(count: int) -> int:
    """The longest length of 4 n + 1 frames in `count`, 0 of none."""
    return (count - 1) // FRAME_STEP * FRAME_STEP + 1 if count > 0 else 0
