"""106 landmarks by file, insightface's 2d106det, and the outline of the face they describe.

The network takes and gives what insightface's own `Landmark` does: a square 1.5 times the face's box, 192 px, RGB
0..255 (or (v - 127.5) / 128 where the graph does not scale itself); output 1x212, pairs of x and y in -1..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.align import Matrix, apply, inverse
from diffscaler.faceswap.detect import roll_degrees
from diffscaler.faceswap.inswapper import model_file, read_graph
from diffscaler.faceswap.libs import cv2
from diffscaler.faceswap.sessions import ALONE, is_shaped, open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

SIZE, COUNT, AROUND = 192, 106, 1.5
#: insightface's order: 0 is the chin, 0..32 the outline from temple to temple, then eyes, brows, mouth and nose.
CHIN, OUTLINE, BROWS = 0, slice(0, 33), [*range(43, 52), *range(97, 106)]
FOREHEAD = 0.18  # of the way from chin to brows: how far the face goes on above them, where landmarks end
FINE = 4  # the outline is drawn this many times larger, then averaged


@dataclass(frozen=True)
class Landmarker:
    """A loaded landmark network. scales: the graph itself brings 0..255 to its range."""

    session: Any
    scales: bool

    def points(self, frame: Frame, box: Floats, landmarks: Floats) -> Floats:
        """The 106 landmarks of a face: float32 (106, 2), frame pixels.

        frame: uint8 RGB (H, W, 3); box: float32 (4,), x1 y1 x2 y2; landmarks: float32 (5, 2): how far it is rolled
        """
        matrix = square(box, round(roll_degrees(landmarks) / 90) % 4)
        crop = cv2.warpAffine(frame, matrix, (SIZE, SIZE)).astype(np.float32)
        values = crop if self.scales else (crop - np.float32(127.5)) / np.float32(128)
        feed = {self.session.get_inputs()[0].name: np.ascontiguousarray(values.transpose(2, 0, 1)[None])}
        out = np.asarray(self.session.run(None, feed)[0], np.float32).reshape(COUNT, 2)
        return apply(inverse(matrix), (out + 1) * (SIZE // 2)).astype(np.float32)


def square(box: Floats, turns: int) -> Matrix:
    """Frame pixels -> the network's crop, (2, 3). turns: quarter turns (as np.rot90) that make the face upright."""
    centre = (box[:2] + box[2:]).astype(np.float64) / 2
    scale = SIZE / (max(1.0, float((box[2:] - box[:2]).max())) * AROUND)
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    turn = scale * np.array([[cosine, sine], [-sine, cosine]], np.float64)
    return np.concatenate([turn, (SIZE / 2 - turn @ centre)[:, None]], axis=1)


def outline_mask(points: npt.NDArray[np.floating], size: int) -> Floats:
    """Inside a face's outline, forehead and all: float32 (size, size), 0..1. points: (106, 2), pixels of that square.

    The hull of all landmarks, so only the few that the forehead is guessed from need to be known by number.
    """
    up = points[BROWS].mean(0) - points[CHIN]
    whole = np.concatenate([points, points[BROWS] + FOREHEAD * up])
    hull = cv2.convexHull(((whole + 0.5) * FINE - 0.5).astype(np.float32))
    large = np.zeros((size * FINE, size * FINE), np.uint8)
    cv2.fillConvexPoly(large, np.rint(hull).astype(np.int32), 255)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)


def load_landmarker(spec: Any, device: Any = "cpu") -> Landmarker:
    """Open `spec.path`. Raises ModelNotFound when it is missing, damaged, or another network."""
    path = model_file(spec.path, "2d106det.onnx", "the face landmarks", "do without it")
    session = open_session(path, device, ALONE)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not is_shaped(inputs[0], 3, SIZE, SIZE) or not is_shaped(outputs[0], 2 * COUNT):
        raise ModelNotFound(f"{path.name} gives no 106 landmarks.", "Use 2d106det.onnx from insightface's buffalo_l.")
    return Landmarker(session, _scales(read_graph(path).graph.node[:8]))


def _scales(first: Any) -> bool:
    """Whether a graph begins with its own normalisation, told as insightface tells it: by the names of its nodes."""
    names = [node.name for node in first]
    sub, mul = (any(name.startswith(words) for name in names) for words in (("Sub", "_minus"), ("Mul", "_mul")))
    return (sub and mul) or "bn_data" in names[:3]
