"""How much people like a picture, guessed from CLIP's vector of it: LAION's heads for ViT-L/14 and its relatives.

The improved-aesthetic-predictor is five linear layers with dropout between them and no activations; the older one of
LAION-5B's first selection is a single layer. Both were fitted to ratings from 1 to 10.
"""

from __future__ import annotations

from typing import Any

import torch

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.spec import ModelSpec
from diffscaler.scorers.clip import Vectors
from diffscaler.text2video.hotshot.files import read_weights

#: Names of the layers in a file; dropouts, which do nothing here, have the numbers between.
IMPROVED = tuple(f"layers.{i}." for i in (0, 2, 4, 6, 7))
SINGLE = ("",)

Layers = list[tuple[torch.Tensor, torch.Tensor]]


class Head:
    """layers: (weight (out, in), bias (out,)) in order, float32."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers

    @property
    def width(self) -> int:
        """Numbers in the vectors it was made for."""
        return int(self.layers[0][0].shape[1])

    @torch.inference_mode()
    def rate(self, vectors: Vectors) -> Vectors:
        """Ratings, about 1 to 10, of CLIP's unit vectors, float32 (N, width): float32 (N,).

        Without activations it is affine: it rates the mean of several vectors as the mean of their ratings.
        """
        found = torch.from_numpy(vectors)
        for weight, bias in self.layers:
            found = torch.nn.functional.linear(found, weight, bias)
        return found[:, 0].numpy()


def load_head(spec: ModelSpec, device: Any) -> Head:
    """The head in a file, .pth or .safetensors; it is small and stays on the CPU. Raises ModelNotFound."""
    assert spec.path is not None
    state = read_weights(spec.path).state
    names = IMPROVED if f"{IMPROVED[0]}weight" in state else SINGLE
    if set(state) != {f"{name}{part}" for name in names for part in ("weight", "bias")}:
        raise no_head(spec, "its layers have other names")
    layers = [(state[f"{name}weight"].float(), state[f"{name}bias"].float()) for name in names]
    if any(weight.ndim != 2 or bias.shape != weight.shape[:1] for weight, bias in layers):
        raise no_head(spec, "its layers are not linear")
    wide = [weight.shape[1] for weight, _ in layers]
    if [weight.shape[0] for weight, _ in layers] != [*wide[1:], 1]:
        raise no_head(spec, "its layers do not follow each other")
    return Head(layers)


def no_head(spec: ModelSpec, why: str) -> ModelNotFound:
    name = spec.path.name if spec.path else spec.name
    return ModelNotFound(f"{name} is no aesthetic predictor of LAION's: {why}.", "Put another one in its place.")


def check_width(head: Head, named: ModelSpec, width: int, of: ModelSpec) -> None:
    """Raise InvalidRequest, naming both, when a head was made for another CLIP than the one that looks."""
    if head.width != width:
        raise InvalidRequest(
            f"The aesthetic predictor {named.title} reads {head.width} numbers of a picture; {of.title} gives {width}.",
            "Use the CLIP it was made for (LAION's: ViT-L/14), or take one of them out of the models folder.",
        )
