"""Where the joints of people are, box by box. Xu et al. 2022 (ViTPose)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from diffscaler.errors import ModelNotFound
from diffscaler.media import Frames
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.annotators.folder import open_annotator
from diffscaler.text2video.annotators.people import Boxes
from diffscaler.text2video.annotators.skeleton import COCO_JOINTS, Joints


class PoseEstimator:
    """model: a VitPoseForPoseEstimation on its device; processor: its VitPoseImageProcessor."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor

    @torch.inference_mode()
    def read(self, picture: Frames, boxes: Boxes) -> Joints:
        """The joints of the people in `boxes` (left, top, width, height) of a picture, uint8 RGB (H, W, 3).

        Returns float32 (N, 17, 3): x and y in pixels of the picture and a score, about 0..1, in COCO's order.
        """
        if not len(boxes):
            return np.zeros((0, COCO_JOINTS, 3), np.float32)
        pixels = self.processor(Image.fromarray(picture), boxes=[boxes], return_tensors="pt").pixel_values
        seen = self.model(pixels.to(self.model.device), **self.dataset(len(boxes)))
        (people,) = self.processor.post_process_pose_estimation(seen, boxes=[boxes])
        joints = [torch.cat([one["keypoints"], one["scores"].reshape(-1, 1)], dim=1).float() for one in people]
        return torch.stack(joints).cpu().numpy()

    def dataset(self, people: int) -> dict[str, torch.Tensor]:
        """ViTPose+ has an expert for each set of pictures it was taught with; COCO's is the first."""
        if self.model.config.backbone_config.num_experts == 1:
            return {}
        return {"dataset_index": torch.zeros(people, dtype=torch.long, device=self.model.device)}


def load_pose(spec: ModelSpec, device: Any) -> PoseEstimator:
    """The network in a folder, on `device` (models.device.Device). Raises ModelNotFound."""
    estimator = PoseEstimator(*open_annotator(spec, device))
    if (joints := estimator.model.config.num_labels) != COCO_JOINTS:
        raise ModelNotFound(
            f"{spec.title} finds {joints} joints, and a skeleton is drawn from COCO's {COCO_JOINTS}.",
            "Use one trained on COCO, such as vitpose-base-simple.",
        )
    return estimator
