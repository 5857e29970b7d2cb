"""Depth as ControlNets read it: near is white, far is black. Ranftl et al. 2020 (MiDaS), 2021 (DPT), Yang et al. 2024
(Depth Anything V2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.media import Frames
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.annotators.folder import open_annotator

Depth = npt.NDArray[np.float32]

#: Metres. Nothing in a film is nearer, and one pixel measured as 0 would leave all others black.
NEAREST = 0.1


class DepthEstimator:
    """model: a depth estimation network on its device; processor: its DPTImageProcessor; metric: it tells metres."""

    def __init__(self, model: Any, processor: Any, metric: bool) -> None:
        self.model, self.processor, self.metric = model, processor, metric

    @torch.inference_mode()
    def read(self, picture: Frames) -> Depth:
        """How near everything in a picture, uint8 RGB (H, W, 3), is: float32 (h, w) of the network's own size.

        Larger is nearer. The numbers are inverse depth up to a scale and a shift that the network chooses; those of a
        network that measures metres are turned into inverse depth, which is what ControlNets were shown in training.
        """
        pixels = self.processor(Image.fromarray(picture), return_tensors="pt").pixel_values
        depth = self.model(pixels.to(self.model.device)).predicted_depth[0].float().cpu().numpy()
        return 1 / np.maximum(depth, NEAREST) if self.metric else depth


def near_white(depths: Sequence[Depth], width: int, height: int) -> Iterator[Frames]:
    """A clip's depths, as `DepthEstimator.read` gives them, as pictures: uint8 RGB (height, width, 3), near is 255.

    One black and one white hold for the whole clip: were each frame stretched by itself, everything would change its
    grey whenever the nearest thing comes or goes, and the ControlNet would draw that as flicker. What the network
    itself sees differently from frame to frame stays. A clip without any depth is black.
    """
    # Enlarged twice rather than kept large: a long clip at full size would take gigabytes.
    ranges = [(float(large.min()), float(large.max())) for large in (enlarged(d, width, height) for d in depths)]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    for depth in depths:
        yield shaded(enlarged(depth, width, height), low, high)


def shaded(depth: Depth, low: float, high: float) -> Frames:
    """Depth (H, W) as grey, uint8 RGB (H, W, 3): `low` and less is 0, `high` and more 255."""
    share = np.clip((depth - low) / (high - low), 0, 1) if high > low else np.zeros_like(depth)
    return np.repeat((share * 255).astype(np.uint8)[..., None], 3, axis=-1)


def enlarged(depth: Depth, width: int, height: int) -> Depth:
    """Depth in another size, bicubic, as the library's own depth-estimation pipeline does it."""
    given = torch.from_numpy(depth)[None, None]
    return torch.nn.functional.interpolate(given, (height, width), mode="bicubic", align_corners=False)[0, 0].numpy()


def load_depth(spec: ModelSpec, device: Any) -> DepthEstimator:
    """The network in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    model, processor = open_annotator(spec, device)
    return DepthEstimator(model, processor, measures_metres(model.config))


def measures_metres(config: Any) -> bool:
    """Whether a network tells depth in metres, not its inverse: its config says so, each family in its own way."""
    if config.model_type == "dpt":
        # Only the DPT heads on DINOv2 have this layer (Oquab et al. 2023), and they were trained on metres.
        return bool(config.add_projection)
    return config.depth_estimation_type == "metric"
