"""CLIP: how well words fit a picture. Radford et al. 2021."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.annotators.folder import open_annotator

Vectors = npt.NDArray[np.float32]


class Clip:
    """model: a CLIPModel on its device; processor: its CLIPProcessor."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor

    @property
    def width(self) -> int:
        """Numbers in a vector of a picture or of words."""
        return int(self.model.config.projection_dim)

    def pixels(self, frames: Sequence[npt.NDArray[np.uint8]]) -> torch.Tensor:
        """Frames, uint8 RGB (H, W, 3) each, of any sizes, as the network takes them: float32 (N, 3, S, S) on the CPU.

        Of a long picture CLIP sees the middle square.
        """
        pictures = [Image.fromarray(frame) for frame in frames]
        return self.processor.image_processor(pictures, return_tensors="pt").pixel_values

    @torch.inference_mode()
    def see(self, pixels: torch.Tensor) -> Vectors:
        """Unit vectors of pictures, as `pixels` gives them: float32 (N, width)."""
        return self._unit(self.model.get_image_features(pixel_values=pixels.to(self.model.device)))

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts: float32 (N, width). What is longer than CLIP reads (77 tokens) is cut there."""
        most = self.model.config.text_config.max_position_embeddings
        given = self.processor.tokenizer(
            list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt"
        )  # fmt: skip
        given = {name: given[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        return self._unit(self.model.get_text_features(**given))

    @staticmethod
    def _unit(found: Any) -> Vectors:
        vectors = found.pooler_output
        return (vectors / vectors.norm(dim=-1, keepdim=True)).float().cpu().numpy()


def clip_score(picture: Vectors, words: Vectors) -> float:
    """100 * max(0, cosine), as CLIP's own logits and torchmetrics' CLIPScore scale it; Hessel et al. 2021 take 2.5
    for 100.

    picture, words: unit vectors (D,), or the means of several: the mean of all their cosines then
    """
    return 100 * max(0.0, float(picture.astype(np.float64) @ words.astype(np.float64)))


def load_clip(spec: ModelSpec, device: Any) -> Clip:
    """The network in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    return Clip(*open_annotator(spec, device))
