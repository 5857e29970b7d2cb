"""AnimateDiff on the networks of Stable Diffusion 1.5, and `mini`, which has the same parts in small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from diffscaler.text2video.family import Array, Sampling
from diffscaler.text2video.folder import open_pipeline
from diffscaler.text2video.motion import SETTING, MotionFamily, Network, to_numpy


class AnimateDiff(MotionFamily):
    """One text encoder, no other conditions."""

    @classmethod
    def load(cls, path: Path, device: Any) -> AnimateDiff:
        """Load a folder. Raises ModelNotFound when a part is missing or damaged."""
        return open_pipeline(path, "AnimateDiffPipeline", device.dtype, lambda pipeline: cls(pipeline, device, path))

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """prompt_embeds, negative_prompt_embeds: float32 (1, tokens, width); for a pan also setting_prompt_embeds."""
        with self.frugal.encoders():
            wanted, unwanted = self.heard(prompt, negative_prompt)
            positive, negative = self.pipeline.encode_prompt(
                wanted, self.device, 1, True, negative_prompt=unwanted or ""
            )
            read = {"prompt_embeds": to_numpy(positive), "negative_prompt_embeds": to_numpy(negative)}
            if (reading := self.read(prompt)) and reading.pan:
                setting, _ = self.pipeline.encode_prompt(reading.setting, self.device, 1, False)
                read[f"{SETTING}prompt_embeds"] = to_numpy(setting)
        return read

    def network(self, text: dict[str, Array], sampling: Sampling, guidance: bool) -> Network:
        names = ("negative_prompt_embeds", "prompt_embeds") if guidance else ("prompt_embeds",)
        words = torch.cat([torch.from_numpy(text[name]) for name in names]).to(self.device, self.dtype)

        def run(latents: torch.Tensor, timestep: torch.Tensor, frames: Sequence[int], step: int) -> torch.Tensor:
            # One row of words per frame, as the library's network wants them.
            rows = words.repeat_interleave(len(frames), dim=0)
            return self.pipeline.unet(latents, timestep, encoder_hidden_states=rows).sample

        return run
