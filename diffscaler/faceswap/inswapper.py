"""insightface's inswapper through onnxruntime, when its file is in the models folder.

The networks take and give what insightface's own `INSwapper` and `ArcFaceONNX` do; loading and pasting are ours: theirs
choose providers by guessing and warp whole frames (132 ms for every face at 1080p). The weights are licensed for
non-commercial research only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.align import align_face, apply, paste_face
from diffscaler.faceswap.builtin import project
from diffscaler.faceswap.engines import Place
from diffscaler.faceswap.head import fit_pose
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.sessions import open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.uint8]
EDGE = 0.06  # share of the crop over which its border fades


@dataclass(frozen=True)
class Recognizer:
    """An ArcFace network: what makes a face that person's."""

    session: Any
    zero_to_one: bool  # the network scales its input itself and wants 0..255

    def embed(self, photo: Frame, landmarks: Floats) -> Floats:
        """Identity of a face in a photo: float32 (512,), length 1. photo: uint8 RGB; landmarks: float32 (5, 2)."""
        crop = align_face(photo, landmarks, 112)[0].astype(np.float32)
        values = crop if self.zero_to_one else (crop - 127.5) / 127.5
        feed = {self.session.get_inputs()[0].name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])}
        vector = np.asarray(self.session.run(None, feed)[0], np.float32).ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-6)


@dataclass(frozen=True)
class SwapNetwork:
    """An inswapper network. emap: float32 (512, 512), its own basis for identities; size: side of its crops, pixels."""

    session: Any
    emap: Floats
    size: int

    def latent(self, identity: Floats) -> Floats:
        """An ArcFace identity (512,) as the network wants it: float32 (1, 512)."""
        vector = identity[None] @ self.emap
        return (vector / max(float(np.linalg.norm(vector)), 1e-6)).astype(np.float32)

    def draw(self, crop: Frame, latent: Floats) -> Frame:
        """The crop (uint8 RGB (size, size, 3)) with the face of `latent` (1, 512)."""
        picture = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32) / 255
        feed = {value.name: picture if len(value.shape) == 4 else latent for value in self.session.get_inputs()}
        drawn = np.asarray(self.session.run(None, feed)[0])[0].transpose(1, 2, 0)
        return np.clip(np.rint(drawn * 255), 0, 255).astype(np.uint8)


class IdentitySwapper:
    """inswapper on tracks."""

    def __init__(self, network: SwapNetwork, identities: dict[int, list[Floats]], strength: float) -> None:
        """identities: track id -> one (512,) per photo of the performer it gets; their mean is used."""
        self.network, self.strength = network, strength
        self.latents = {track: network.latent(mean_identity(vectors)) for track, vectors in identities.items()}

    def swap(self, frames: Frames, places: list[Place], tick: Callable[[int], None]) -> Frames:
        """See `engines.Swapper`."""
        result, size = frames.copy(), self.network.size
        for place in places:
            tick(place.offset)
            landmarks = place.track.landmarks[place.index]
            crop, matrix = align_face(result[place.offset], landmarks, size)
            drawn = self.network.draw(crop, self.latents[place.track.id])
            mask = crop_mask(apply(matrix, landmarks), size) * np.float32(self.strength)
            result[place.offset] = paste_face(result[place.offset], drawn, matrix, mask)
        return result


def mean_identity(vectors: list[Floats]) -> Floats:
    """The direction between identities (512,), of length 1."""
    mean = np.mean(vectors, axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-6)


def crop_mask(landmarks: npt.NDArray[np.floating], size: int) -> Floats:
    """Where a crop of `size` shows the face: float32 (size, size), 0..1, soft; landmarks: (5, 2), crop pixels."""
    _, coarse = project(fit_pose(landmarks), (0, 0, size, size))
    face = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    edge = np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / (EDGE * size), 0, 1).astype(np.float32)
    return face * np.minimum(edge[:, None], edge[None])


def load_swapper(spec: Any, device: Any = "cpu") -> SwapNetwork:
    """Open `spec.path` (inswapper_128.onnx). Raises ModelNotFound when it is missing or is no inswapper."""
    path = _file(spec.path, "inswapper_128.onnx", "the face swapper")
    graph = _graph(path)
    maps = [value for value in graph.initializer if list(value.dims) == [512, 512]]
    session = open_session(path, device)
    images = [value for value in session.get_inputs() if len(value.shape) == 4]
    vectors = [value for value in session.get_inputs() if len(value.shape) == 2]
    if len(images) != 1 or len(vectors) != 1 or not maps or not isinstance(images[0].shape[2], int):
        raise ModelNotFound(
            f"{path.name} is not an inswapper model.", "Use inswapper_128.onnx, or the built-in engine."
        )
    import onnx.numpy_helper

    # insightface keeps the identity basis as the last initialiser of the graph, which no node uses.
    return SwapNetwork(session, onnx.numpy_helper.to_array(maps[-1]).astype(np.float32), int(images[0].shape[2]))


def load_recognizer(spec: Any, device: Any = "cpu") -> Recognizer:
    """Open `spec.path`: an ArcFace file (w600k_r50.onnx), or a folder that holds one, such as insightface's buffalo_l.

    Raises ModelNotFound when it is missing or is no ArcFace network.
    """
    path = spec.path
    if path is not None and Path(path).is_dir():
        path = next(iter(sorted(Path(path).glob("w600k*.onnx"))), Path(path) / "w600k_r50.onnx")
    path = _file(path, "w600k_r50.onnx", "the face recogniser that inswapper needs")
    session = open_session(path, device)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or list(inputs[0].shape)[1:] != [3, 112, 112] or outputs[0].shape[-1] != 512:
        raise ModelNotFound(f"{path.name} is not an ArcFace model.", "Use w600k_r50.onnx from insightface's buffalo_l.")
    first = {node.op_type for node in _graph(path).node[:8]}
    return Recognizer(session, zero_to_one={"Sub", "Mul"} <= first)


def _graph(path: Path) -> Any:
    import onnx

    try:
        return onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own exception type is not part of onnx's interface
        raise ModelNotFound(f"{path.name} cannot be read as an ONNX model.", "Download the file again.") from error


def _file(path: Path | None, name: str, what: str) -> Path:
    if path is None or not Path(path).is_file():
        place = f" ({path})" if path is not None else ""
        raise ModelNotFound(
            f"The file of {what}, {name}, is missing{place}.",
            f"Put {name} into the models folder, or pick the built-in engine.",
        )
    return Path(path)
