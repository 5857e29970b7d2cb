"""The recipe "one-shot": Tune-A-Video on an image model of the Stable Diffusion 1.x, 2.x or XL kind. Wu et al. 2023."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from diffscaler import compat
from diffscaler.errors import DiffScalerError
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.frame_attention import add_temporal_tails
from diffscaler.text2video.guidance import guided
from diffscaler.text2video.inversion import Walk, inverted, redrawn
from diffscaler.text2video.motion import decode_each, to_numpy
from diffscaler.text2video.one_shot import FILE_NAME, NOISE, as_video, is_tuned, pipeline_class, predicted
from training.cache import digest_of_tensors
from training.events import RunError
from training.finetune.about import write_about
from training.finetune.clip_task import ClipTask
from training.finetune.examples import Example
from training.finetune.export import say_prediction, take_over
from training.finetune.motion_model import compile_where_asked, ready_to_train, time_ids
from training.finetune.options import OneShotConfig
from training.finetune.source import FORMATS, find_model
from training.task import Batch, Place

#: Formats in which a checkpoint's weights take half the disk.
HALF = (torch.float16, torch.bfloat16)


class OneShotTask(ClipTask):
    """One clip. Trained are the queries of both attentions and the temporal tails; the tails begin as nothing."""

    config: OneShotConfig

    def __init__(self, config: OneShotConfig, place: Place) -> None:
        self.spec = find_model(config.pretrained_model_name_or_path)
        assert self.spec.path is not None
        compat.install()
        try:
            pipeline = open_pipeline(
                self.spec.path, pipeline_class(self.spec.path), FORMATS[str(place.lower)], lambda made: made,
                safety_checker=None, feature_extractor=None,
            )  # fmt: skip
        except DiffScalerError as error:
            raise RunError(error.message, error.hint) from None
        unet: Any = pipeline.unet
        add_temporal_tails(unet)
        pipeline.to(place.device)
        ready_to_train(unet, place)
        for name, parameter in unet.named_parameters():
            parameter.requires_grad_(is_tuned(name))
            if is_tuned(name):
                parameter.data = parameter.data.float()
        for part in (pipeline.vae, pipeline.text_encoder, getattr(pipeline, "text_encoder_2", None)):
            if part is not None:
                part.requires_grad_(False)
        if config.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        compile_where_asked(unet, config, place)
        super().__init__(config, place, pipeline, unet, hasattr(pipeline, "text_encoder_2"))
        self.clip = self.examples[0]
        self._noise: tuple[str, Tensor] | None = None
        self.texts = {text: self.encoder.words(text) for text in ("", *self.prompts(), *config.prompts)}
        self.first_pass()
        # For good, not only for the forward pass: gradient checkpointing runs parts of it again later.
        self.video = ExitStack()
        self.video.enter_context(as_video(unet, len(self.clip.frames)))

    def _examples(self, shots: Any) -> list[Example]:
        """The first window of the first shot."""
        if self.config.prompt:
            shots = [replace(shot, captions=(self.config.prompt,)) for shot in shots]
        return super()._examples(shots[:1])[:1]

    def predict(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        return predicted(self.unet, noisy, timesteps, self._words(batch))

    def _words(self, batch: Batch) -> dict[str, Tensor]:
        words = {"text": batch["text"]}
        if self.sdxl:
            words |= {"pooled": batch["pooled"], "sizes": time_ids(batch["facts"], width_first=False)}
        return words

    def asked(self, prompts: tuple[str, ...], guidance: float = 1.0) -> Any:
        """predict(noisy, timestep) for the clip with these words; two prompts are what guidance goes from and to."""
        facts = self.latents_of_clip()["facts"]
        batch: Batch = {"facts": facts.expand(len(prompts), 6).to(self.place.device)}
        for name in self.texts[""]:
            batch[name] = torch.stack([self.texts[prompt][name] for prompt in prompts]).to(self.place.device)
        lower = self.place.lower

        def predict(x: Tensor, timestep: Tensor) -> Tensor:
            times = timestep.to(x.device).expand(len(prompts))
            with torch.autocast(x.device.type, lower) if lower in HALF else nullcontext():
                found = self.predict(torch.cat([x] * len(prompts)), times, batch).float().chunk(len(prompts))
            return guided(*found, guidance) if len(found) == 2 else found[0]

        return predict

    def latents_of_clip(self) -> dict[str, Tensor]:
        """As `Encoder.latents` gives them: of the clip, or of the checkpoint that remembers them."""
        known = self.place.known
        if known:
            return {name: known[name] for name in ("mean", "facts")}
        return self.encoder.latents(self.clip)

    def known(self) -> dict[str, Any]:
        """The noise that the clip comes from is looked for anew for every export, in its latents."""
        found = self.latents_of_clip()
        return super().known() | {name: found[name] for name in ("mean", "facts")}

    @property
    def walk(self) -> Walk:
        """The noise levels of samples, and of the way back."""
        return Walk.of(self.pipeline.scheduler, self.config.validation_steps)

    def noise_of_clip(self) -> Tensor:
        """What the clip comes from: float32 (1, C, F, h, w), found without words and without guidance.

        Looked for once for each state of the weights: the way back takes longer than drawing a sample.
        """
        weights = digest_of_tensors(self.trainable())
        if self._noise is None or self._noise[0] != weights:
            mean = self.latents_of_clip()["mean"][None].to(self.place.device)
            self._noise = weights, inverted(mean, self.walk, self.asked(("",)))
        return self._noise[1]

    def sample(self, prompt: str, seed: int) -> np.ndarray | None:
        """The clip with other words; the seed has no part in it."""
        scale = self.config.validation_guidance
        prompts = ("", prompt) if scale > 1 else (prompt,)
        latents = redrawn(self.noise_of_clip(), self.walk, self.asked(prompts, scale))
        with torch.no_grad():
            return decode_each(self.pipeline.vae, to_numpy(latents)[0], self.place.device)

    def export(self, folder: Path) -> None:
        source = self.spec.path
        assert source is not None
        take_over(source, folder, ())
        stored = torch.float16 if self.place.lower in HALF else torch.float32
        tuned = {name: p.detach().cpu().to(stored) for name, p in self.unet.named_parameters() if is_tuned(name)}
        save_file({**tuned, NOISE: self.noise_of_clip()[0].cpu().contiguous()}, folder / FILE_NAME)
        say_prediction(folder, self.config.prediction_type)
        frames = len(self.clip.frames)
        config = self.config.model_copy(update={"num_frames": frames})
        native = {
            "num_inference_steps": self.config.validation_steps, "guidance_scale": self.config.validation_guidance,
            "max_frames": frames,
        }  # fmt: skip
        size = (self.clip.width, self.clip.height)
        write_about(folder, self.spec, config, size, "one_shot", native=native)
