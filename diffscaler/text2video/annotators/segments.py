"""What is in front in a picture, by a network that names every pixel. Xie et al. 2021 (SegFormer), Sandler et al. 2018
(MobileNetV2 with DeepLabV3's head)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.media import Frames
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.annotators.folder import open_annotator
from diffscaler.text2video.foreground import BORDER, Mask

Labels = npt.NDArray[np.int64]

BACKGROUND = "background"


class Segmenter:
    """A foreground.Foreground. model: a semantic segmentation network on its device; processor: its image processor;
    name: as the clip's notes tell it."""

    def __init__(self, model: Any, processor: Any, name: str) -> None:
        self.model, self.processor, self.name = model, processor, name
        called = model.config.id2label.items()
        self.background = frozenset(int(number) for number, label in called if str(label).lower() == BACKGROUND)

    def masks(self, frames: Frames) -> Mask:
        """See foreground.Foreground."""
        return np.stack([in_front(self.read(frame), self.background) for frame in frames])

    @torch.inference_mode()
    def read(self, picture: Frames) -> Labels:
        """The number of the class of each pixel of a picture, uint8 RGB (H, W, 3): int64 (H, W)."""
        pixels = self.processor(Image.fromarray(picture), return_tensors="pt").pixel_values
        seen = self.model(pixels.to(self.model.device))
        (labels,) = self.processor.post_process_semantic_segmentation(seen, target_sizes=[picture.shape[:2]])
        return labels.cpu().numpy().astype(np.int64)


def in_front(labels: Labels, background: frozenset[int]) -> Mask:
    """Classes of pixels (H, W) -> bool (H, W): what is not of the classes called background.

    Where no class is called so, a class is background that fills more of the picture's border than of its inside.
    """
    if background:
        return ~np.isin(labels, list(background))
    rows, columns = (max(1, round(side * BORDER)) for side in labels.shape)
    border = np.ones(labels.shape, bool)
    border[rows:-rows, columns:-columns] = False
    outside, inside = labels[border], labels[~border]
    front = [label for label in np.unique(labels) if (inside == label).mean() > (outside == label).mean()]
    return np.isin(labels, front)


def load_segmenter(spec: ModelSpec, device: Any) -> Segmenter:
    """The network in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    return Segmenter(*open_annotator(spec, device), spec.name)
