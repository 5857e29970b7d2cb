"""What a family of text-to-video models must be able to do; a pipeline loaded for one is wrapped in its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from diffscaler.text2video.vocabulary import Reading

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sampling:
    """What one denoising run is asked for. Sizes in pixels; `seed` fixes the initial noise on every device."""

    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    seed: int


def native_sampling(native: dict[str, Any], seed: int) -> Sampling:
    """What a model was trained for, from its card's `native` table."""
    names = ("width", "height", "num_frames", "num_inference_steps", "guidance_scale")
    return Sampling(**{name: native[name] for name in names}, seed=seed)


class Family(Protocol):
    """A loaded text-to-video model."""

    def read(self, prompt: str) -> Reading | None:
        """What the model makes of a prompt; None when nobody can say."""
        ...

    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """Named float32 arrays, everything `denoise` needs to know about the words."""
        ...

    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: Callable[[int, int, Any], None]) -> Array:
        """Latents float32 (C, F, h, w). on_step(done, total, predicted clean latents) after each step; it may raise."""
        ...

    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        """Latents (C, F, h, w) of any number of frames -> uint8 RGB (F, H, W, 3); a frame depends on itself alone."""
        ...


def draw(model: Family, native: dict[str, Any], prompt: str, seed: int) -> npt.NDArray[np.uint8]:
    """A clip at the model's own settings, without library or jobs: uint8 RGB (F, H, W, 3)."""
    sampling = native_sampling(native, seed)
    return model.decode(model.denoise(model.encode_text(prompt, ""), sampling, lambda *_: None))
