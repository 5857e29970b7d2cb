"""insightface's inswapper and ArcFace through onnxruntime, when their files are in the models folder.

The networks take and give what insightface's own `INSwapper` and `ArcFaceONNX` do; loading and pasting are ours: theirs
choose providers by guessing and warp whole frames (132 ms for every face at 1080p). The weights are licensed for
non-commercial research only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.align import align_face
from diffscaler.faceswap.crops import ARCFACE_128
from diffscaler.faceswap.sessions import ALONE, open_session
from diffscaler.faceswap.swap_network import SwapNetwork, open_swapper

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Recognizer:
    """An ArcFace network: what makes a face that person's."""

    session: Any
    zero_to_one: bool  # the network scales its input itself and wants 0..255

    def features(self, photo: Frame, landmarks: Floats) -> Floats:
        """What the network says about a face: float32 (512,), of any length. See `embed`."""
        crop = align_face(photo, landmarks, 112)[0].astype(np.float32)
        values = crop if self.zero_to_one else (crop - 127.5) / 127.5
        feed = {self.session.get_inputs()[0].name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])}
        return np.asarray(self.session.run(None, feed)[0], np.float32).ravel()

    def embed(self, photo: Frame, landmarks: Floats) -> Floats:
        """Identity of a face in a photo: float32 (512,), length 1. photo: uint8 RGB; landmarks: float32 (5, 2)."""
        return unit(self.features(photo, landmarks))


def unit(vector: Floats) -> Floats:
    """The direction of a vector, of length 1."""
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def mean_identity(vectors: list[Floats]) -> Floats:
    """The direction between identities (512,), each of any length; of length 1."""
    return unit(np.mean([unit(vector) for vector in vectors], axis=0))


def load_swapper(spec: Any, device: Any = "cpu", batch: int | None = None) -> SwapNetwork:
    """Open `spec.path` (inswapper_128.onnx). batch: faces at once, None: what suits the device.

    Raises ModelNotFound when it is missing or is no inswapper.
    """
    path = model_file(spec.path, "inswapper_128.onnx", "the face swapper")
    model = read_graph(path)
    maps = [value for value in model.graph.initializer if list(value.dims) == [512, 512]]
    opened = open_swapper(path, model, device, batch) if maps else None
    if opened is None or opened[1] % 128:
        raise ModelNotFound(
            f"{path.name} is not an inswapper model.", "Use inswapper_128.onnx, or the built-in engine."
        )
    import onnx.numpy_helper

    # insightface keeps the identity basis as the last initialiser of the graph, which no node uses.
    emap = onnx.numpy_helper.to_array(maps[-1]).astype(np.float32)
    session, size, most, single = opened

    def latent(features: list[Floats]) -> Floats:
        return unit(mean_identity(features)[None] @ emap).astype(np.float32)

    return SwapNetwork(session, ARCFACE_128, size, latent, batch=most, single=single)


def load_recognizer(spec: Any, device: Any = "cpu") -> Recognizer:
    """Open `spec.path`: an ArcFace file (w600k_r50.onnx), or a folder that holds one, such as insightface's buffalo_l.

    Raises ModelNotFound when it is missing or is no ArcFace network.
    """
    path = spec.path
    if path is not None and Path(path).is_dir():
        path = next(iter(sorted(Path(path).glob("w600k*.onnx"))), Path(path) / "w600k_r50.onnx")
    path = model_file(path, "w600k_r50.onnx", "the face recogniser that swappers need")
    session = open_session(path, device, ALONE)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or list(inputs[0].shape)[1:] != [3, 112, 112] or outputs[0].shape[-1] != 512:
        raise ModelNotFound(f"{path.name} is not an ArcFace model.", "Use w600k_r50.onnx from insightface's buffalo_l.")
    first = {node.op_type for node in read_graph(path).graph.node[:8]}
    return Recognizer(session, zero_to_one={"Sub", "Mul"} <= first)


def read_graph(path: Path) -> Any:
    """A file as an onnx.ModelProto. Raises ModelNotFound when it is none."""
    import onnx

    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's own exception type is not part of onnx's interface
        raise ModelNotFound(f"{path.name} cannot be read as an ONNX model.", "Download the file again.") from error


def model_file(path: Path | None, name: str, what: str, instead: str = "pick the built-in engine") -> Path:
    """`path` when it is a file. name, what, instead: for the sentence and its hint. Raises ModelNotFound."""
    if path is None or not Path(path).is_file():
        place = f" ({path})" if path is not None else ""
        raise ModelNotFound(
            f"The file of {what}, {name}, is missing{place}.",
            f"Put {name} into the models folder, or {instead}.",
        )
    return Path(path)
