"""What covers a face, by file: XSeg, the segmentation network of DeepFaceLab (Perov et al. 2020).

Assumed of the ONNX files that are passed around as xseg_1.onnx, xseg_2.onnx and xseg_3.onnx, and proved on files of the
same signature only: input 1x256x256x3 BGR (DeepFaceLab's and FaceFusion's order), 0..1; output 1x256x256x1, 1 where the
face is bare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.inswapper import model_file
from diffscaler.faceswap.sessions import ALONE, is_shaped, open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

SIZE = 256


@dataclass(frozen=True)
class Occluder:
    """A loaded occlusion network."""

    session: Any
    size: int = SIZE

    def mask(self, crop: Frame) -> Floats:
        """Where the crop shows the bare face: float32 (256, 256), 0..1. crop: uint8 RGB (256, 256, 3), as in FFHQ."""
        values = np.ascontiguousarray(crop[None, ..., ::-1], np.float32) / np.float32(255)
        out = self.session.run(None, {self.session.get_inputs()[0].name: values})[0]
        return np.clip(np.asarray(out, np.float32).reshape(SIZE, SIZE), 0, 1)


def load_occluder(spec: Any, device: Any = "cpu") -> Occluder:
    """Open `spec.path`. Raises ModelNotFound when it is missing, damaged, or another network."""
    path = model_file(spec.path, "xseg_1.onnx", "the face occluder", "let the looks say what is in front")
    session = open_session(path, device, ALONE)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not is_shaped(inputs[0], SIZE, SIZE, 3) or not is_shaped(outputs[0], SIZE, SIZE, 1):
        raise ModelNotFound(f"{path.name} is not an XSeg occluder.", "Use xseg_1.onnx, xseg_2.onnx or xseg_3.onnx.")
    return Occluder(session)
