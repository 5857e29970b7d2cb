"""Face parsing by file: BiSeNet (Yu et al. 2018) taught the 19 classes of CelebAMask-HQ (Lee et al. 2020).

Assumed of the ONNX files that are passed around as bisenet_resnet_18.onnx and bisenet_resnet_34.onnx, and proved on
files of the same signature only: input 1x3x512x512 RGB, 0..1 less ImageNet's mean over its deviation, a face aligned as
in FFHQ; first output 1x19x512x512, one map of scores for each class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.inswapper import model_file
from diffscaler.faceswap.mask_params import Region
from diffscaler.faceswap.sessions import ALONE, is_shaped, open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

SIZE, CLASSES = 512, 19
NO_FACE = 0.02  # share of the crop: an upright face fills a third of it
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])

#: CelebAMask-HQ's classes by the region they belong to. Background (0), ears (7, 8), earrings (9), neck (14), necklace
#: (15), clothes (16), hair (17) and hat (18) are never drawn over.
LABELS: dict[Region, tuple[int, ...]] = {
    "skin": (1,),
    "brows": (2, 3),
    "eyes": (4, 5),
    "glasses": (6,),
    "nose": (10,),
    "mouth": (11,),
    "lips": (12, 13),
}


@dataclass(frozen=True)
class FaceParser:
    """A loaded parsing network."""

    session: Any

    def scores(self, crop: Frame) -> Floats:
        """How much each pixel looks like each class: float32 (19, 512, 512).

        crop: uint8 RGB (512, 512, 3), a face aligned as in FFHQ
        """
        values = (crop.astype(np.float32) / np.float32(255) - MEAN) / DEVIATION
        feed = {self.session.get_inputs()[0].name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])}
        return np.asarray(self.session.run(None, feed)[0], np.float32)[0]

    def mask(self, crop: Frame, regions: Iterable[Region]) -> Floats | None:
        """Where the class that scores most belongs to one of the regions: float32 (512, 512), 0 or 1.

        None when it sees no face at all, of whatever regions.
        """
        scores = self.scores(crop)
        wanted = _wins(scores, [label for region in regions for label in LABELS[region]])
        if (
            wanted.mean() >= NO_FACE
            or _wins(scores, [label for own in LABELS.values() for label in own]).mean() >= NO_FACE
        ):
            return wanted.astype(np.float32)
        return None


def _wins(scores: Floats, labels: list[int]) -> npt.NDArray[np.bool_]:
    """Where one of these classes scores most: bool (512, 512)."""
    rest = [label for label in range(CLASSES) if label not in labels]
    # Two maxima, not argmax over all maps: that takes five times as long.
    return _highest(scores, labels) > _highest(scores, rest)


def _highest(scores: Floats, labels: list[int]) -> Floats:
    best = scores[labels[0]].copy()
    for label in labels[1:]:
        np.maximum(best, scores[label], out=best)
    return best


def load_parser(spec: Any, device: Any = "cpu") -> FaceParser:
    """Open `spec.path`. Raises ModelNotFound when it is missing, damaged, or parses no faces."""
    path = model_file(spec.path, "bisenet_resnet_34.onnx", "the face parser", "let the looks say what is in front")
    session = open_session(path, device, ALONE)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    fits = len(inputs) == 1 and is_shaped(inputs[0], 3, SIZE, SIZE)
    if not fits or not is_shaped(outputs[0], CLASSES, SIZE, SIZE):
        raise ModelNotFound(
            f"{path.name} is not a face parser of 19 classes.", "Use bisenet_resnet_34.onnx or bisenet_resnet_18.onnx."
        )
    return FaceParser(session)
