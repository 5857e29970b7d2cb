"""Where people are in a picture, by a detector of everyday things. Zhao et al. 2024 (RT-DETR)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from diffscaler.errors import ModelNotFound
from diffscaler.media import Frames
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.annotators.folder import open_annotator

#: float32 (N, 4): left, top, width, height in pixels, as COCO writes boxes.
Boxes = npt.NDArray[np.float32]

PERSON = "person"
#: As in transformers' own example of poses in the boxes of a detector: a box too many shows no joints, and draws none.
LEAST_SCORE = 0.3


class PeopleDetector:
    """model: an object detection network on its device that knows people; processor: its image processor."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self.labels = [number for number, name in model.config.id2label.items() if str(name).lower() == PERSON]

    @torch.inference_mode()
    def read(self, picture: Frames) -> Boxes:
        """The people in a picture, uint8 RGB (H, W, 3): boxes (N, 4), best first."""
        pixels = self.processor(Image.fromarray(picture), return_tensors="pt").pixel_values
        seen = self.model(pixels.to(self.model.device))
        (found,) = self.processor.post_process_object_detection(
            seen, threshold=LEAST_SCORE, target_sizes=[picture.shape[:2]]
        )
        people = [corners for corners, label in zip(found["boxes"], found["labels"], strict=True)
                  if int(label) in self.labels]  # fmt: skip
        boxes = torch.stack(people).float().cpu().numpy() if people else np.zeros((0, 4), np.float32)
        boxes[:, 2:] -= boxes[:, :2]
        return boxes


def whole_frame(picture: Frames) -> Boxes:
    """The box that stands for one person in a picture, uint8 RGB (H, W, 3), when nothing finds people."""
    height, width = picture.shape[:2]
    return np.array([[0, 0, width, height]], np.float32)


def load_people(spec: ModelSpec, device: Any) -> PeopleDetector:
    """The network in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    detector = PeopleDetector(*open_annotator(spec, device))
    if not detector.labels:
        raise ModelNotFound(f"{spec.title} was not taught what a person is.", "Use one trained on COCO.")
    return detector
