"""GHOST swappers (Groshev et al. 2022, "GHOST: A New Face Swap Approach for Image and Video Domains"), by file.

Assumed of the ONNX files that are passed around as ghost_1_256.onnx, ghost_2_256.onnx and ghost_3_256.onnx, and proved
on files of the same signatures only: target 1x3x256x256 RGB and source 1x512, the picture scaled to -1..1 in and out,
faces aligned as for a frontal 112 px crop. They were trained on another ArcFace than w600k_r50; crossface_ghost.onnx
(512 -> 512), which lies beside them, translates: it takes the recogniser's features as they come, not brought to length
1, and what it gives goes to the swapper as it is.

GHOST is Apache-2.0. The recogniser that reads the performer's photo, insightface's w600k_r50, is for non-commercial
research only, so a swap with it is too, unless its user has other terms for that file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.crops import FRONTAL
from diffscaler.faceswap.inswapper import model_file, read_graph
from diffscaler.faceswap.sessions import is_shaped, open_session
from diffscaler.faceswap.swap_network import SwapNetwork, open_swapper

Floats = npt.NDArray[np.float32]

CONVERTER = "crossface_ghost.onnx"


def load_ghost(spec: Any, device: Any = "cpu", batch: int | None = None) -> SwapNetwork:
    """Open `spec.path` (ghost_1_256.onnx or its kin). Its `latent` takes what the converter gave, see `load_converter`.

    batch: faces at once, None: what suits the device. Raises ModelNotFound when the file is missing or is not what its
    name says.
    """
    path = model_file(spec.path, "ghost_1_256.onnx", "the face swapper")
    opened = open_swapper(path, read_graph(path), device, batch)
    if opened is None:
        raise ModelNotFound(f"{path.name} is not a GHOST model.", "Use ghost_1_256.onnx, or the built-in engine.")
    session, size, most, single = opened

    def latent(features: list[Floats]) -> Floats:
        return np.mean(features, axis=0, dtype=np.float32).reshape(1, 512)

    return SwapNetwork(session, FRONTAL, size, latent, signed=True, batch=most, single=single)


def load_converter(spec: Any, device: Any = "cpu") -> Callable[[Floats], Floats]:
    """What makes w600k_r50's features (512,) the identity (1, 512) GHOST was trained on. Raises ModelNotFound.

    It runs once for each performer: the CPU will do.
    """
    path = model_file(spec.path, CONVERTER, "the identity converter that GHOST needs")
    session = open_session(path)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not is_shaped(inputs[0], 512) or not is_shaped(outputs[0], 512):
        raise ModelNotFound(f"{path.name} does not convert identities.", "Download the file again.")

    def convert(features: Floats) -> Floats:
        return np.asarray(session.run(None, {inputs[0].name: features.reshape(1, 512)})[0], np.float32).reshape(1, 512)

    return convert
