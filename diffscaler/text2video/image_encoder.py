"""CLIP's picture encoder: what an IP-Adapter is shown of a reference picture. Radford et al. 2021."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Array
from diffscaler.text2video.folder import said_what_is_wrong


class ImageEncoder:
    """model: a CLIPVisionModelWithProjection on its device."""

    def __init__(self, model: Any) -> None:
        from transformers import CLIPImageProcessor

        side = model.config.image_size
        self.model = model
        self.processor = CLIPImageProcessor(size=side, crop_size=side)

    @torch.inference_mode()
    def read(self, picture: npt.NDArray[np.uint8]) -> dict[str, Array]:
        """What the encoder sees in a picture, uint8 RGB (H, W, 3); of a long one, in its middle square.

        Returns float32: image_embeds (1, D), the picture as a whole; hidden_states (1, T, W), its patches in the last
        layer but one; negative_hidden_states, the same for no picture. Adapters read one or the other.
        """
        pixels = self.processor(Image.fromarray(picture), return_tensors="pt").pixel_values
        pixels = pixels.to(self.model.device, self.model.dtype)
        # One after the other: what a picture is does not depend on what it is batched with.
        seen, nothing = (self.model(given, output_hidden_states=True) for given in (pixels, torch.zeros_like(pixels)))
        found = {
            "image_embeds": seen.image_embeds,
            "hidden_states": seen.hidden_states[-2],
            "negative_hidden_states": nothing.hidden_states[-2],
        }
        return {name: value.float().cpu().numpy() for name, value in found.items()}


def load_image_encoder(spec: ModelSpec, device: Any) -> ImageEncoder:
    """The encoder in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    from diffscaler import compat

    compat.install()  # before the first import of transformers
    from transformers import CLIPVisionModelWithProjection

    assert spec.path is not None
    with said_what_is_wrong(spec.path):
        model = CLIPVisionModelWithProjection.from_pretrained(
            str(spec.path), local_files_only=True, use_safetensors=True, dtype=getattr(torch, device.dtype)
        )
        return ImageEncoder(model.to(device.torch_name).eval().requires_grad_(False))
