"""Stable Video Diffusion: a picture begins to move. Blattmann et al. 2023."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from diffscaler.text2video.family import Array, Sampling, spread
from diffscaler.text2video.library import LibraryFamily, with_picture

#: The least guidance, at the first frame, which is given; it grows to the scale asked for at the last.
FIRST_GUIDANCE = 1.0


class StableVideo(LibraryFamily):
    """No words: the picture alone decides. The decoder looks at neighbouring frames."""

    pipeline_class: ClassVar[str] = "StableVideoDiffusionPipeline"

    def words(self, prompt: str, negative_prompt: str) -> dict[str, torch.Tensor | None]:
        return {}

    def arguments(self, sampling: Sampling) -> dict[str, Any]:
        return {
            **with_picture(sampling),
            "min_guidance_scale": min(FIRST_GUIDANCE, sampling.guidance_scale),
            "max_guidance_scale": sampling.guidance_scale,
            "fps": round(sampling.fps),
        }

    def to_clip(self, latents: torch.Tensor, sampling: Sampling) -> torch.Tensor:
        return latents[0].transpose(0, 1)

    def pictures(self, latents: torch.Tensor) -> torch.Tensor:
        frames = latents.shape[2]
        return self.pipeline.decode_latents(latents.transpose(1, 2), frames, decode_chunk_size=frames)

    def preview(self, clean: Array, num_frames: int) -> Any:
        import numpy as np

        return self.decode(np.ascontiguousarray(clean[:, spread(clean.shape[1], num_frames)]))
