"""Face swap of a clip in memory, by this studio's stages and by insightface's own loop, on the same files."""

from __future__ import annotations

import contextlib
import io
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

WIDTH, HEIGHT, CHUNK = 1280, 720, 12
DETECTOR_PX = (640, 640)  # prepare()'s own choice looks at 128x128 too, which would take longer


class Spent:
    """Seconds spent in networks. calls: by name, of all calls; busy: in which at least one network ran"""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running, self.since = 0, 0.0
        self.clear()

    def clear(self) -> None:
        self.calls: dict[str, float] = {}
        self.busy = 0.0

    @contextlib.contextmanager
    def call(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        with self.lock:
            self.running += 1
            self.since = began if self.running == 1 else self.since
        try:
            yield
        finally:
            ended = time.perf_counter()
            with self.lock:
                self.running -= 1
                self.busy += ended - self.since if not self.running else 0.0
                self.calls[name] = self.calls.get(name, 0.0) + ended - began


class Timed:
    """An onnxruntime session whose calls are added up."""

    def __init__(self, session: Any, name: str, spent: Spent) -> None:
        self.session, self.name, self.spent = session, name, spent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, *args: Any) -> Any:
        with self.spent.call(self.name):
            return self.session.run(*args)


class Ours:
    """DetectFaces and SwapFace over chunks, in this process, as a worker runs them."""

    def __init__(self, folder: Path) -> None:
        from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
        from diffscaler.faceswap.scrfd import load_detector

        self.spent, self.photo = Spent(), save_photo(folder)
        pack = folder / "buffalo_l"
        detector = load_detector(SimpleNamespace(path=pack / "det_10g.onnx"))
        detector.session = Timed(detector.session, "detector", self.spent)
        network = load_swapper(SimpleNamespace(path=folder / "inswapper_128.onnx"))
        recognizer = load_recognizer(SimpleNamespace(path=pack / "w600k_r50.onnx"))
        self.models = {
            "scrfd": detector,
            "inswapper": replace(network, session=Timed(network.session, "swapper", self.spent)),
            "arcface": replace(recognizer, session=Timed(recognizer.session, "recogniser", self.spent)),
        }

    def run(self, frames: Any, count: int) -> tuple[list[float], list[Any]]:
        """Detect, then swap; frames: gives the clip anew. Returns every chunk's mean, and the tracks."""
        from diffscaler.faceswap.detections import gather

        found = list(self.detect(frames(), count))
        means = [float(part.mean()) for part in self.swap(frames(), count, found)]
        return means, gather(found).tracks(25)

    def detect(self, frames: Iterator[np.ndarray], count: int) -> Iterator[Any]:
        from diffscaler.faceswap.stage import DetectFaces, DetectFacesParams

        return DetectFaces(DetectFacesParams(), refs("scrfd")).run((stream(frames, count),), self._context())

    def swap(
        self, frames: Iterator[np.ndarray], count: int, found: list[Any], colour: float = 0.5
    ) -> Iterator[np.ndarray]:
        from diffscaler.faceswap.casting import CastParams, Role
        from diffscaler.faceswap.stage import SwapFace

        params = CastParams(cast=(Role(photos=("face",)),), engine="inswapper", colour=colour)
        source = stream(frames, count)
        detections = replace(stream(iter(()), count), chunks=iter(found))
        stage = SwapFace(params, refs("scrfd", "inswapper", "arcface"))
        return (chunk.frames for chunk in stage.run((source, detections), self._context()))

    def _context(self) -> Any:
        def nothing(*_: Any) -> None:
            return None

        return SimpleNamespace(
            start=0,
            acquire=lambda ref: contextlib.nullcontext(self.models[ref.name]),
            step=nothing,
            preview=nothing,
            note=nothing,
            media_path=lambda _: self.photo,
            media_name=lambda _: "face.png",
        )


class Theirs:
    """insightface as its README uses it: FaceAnalysis.get of every frame, then INSwapper.get of every face.

    All networks of the pack run, in sessions with its own options: detector, both kinds of landmarks, gender and age,
    recogniser.
    """

    def __init__(self, folder: Path) -> None:
        import cv2
        from insightface.app import FaceAnalysis
        from insightface.model_zoo import get_model

        self.spent = Spent()
        providers = ["CPUExecutionProvider"]
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its input's shape
            self.app = FaceAnalysis(name=str(folder / "buffalo_l"), providers=providers)
            self.app.prepare(ctx_id=-1, det_size=DETECTOR_PX)
            self.swapper: Any = get_model(str(folder / "inswapper_128.onnx"), providers=providers)
        names = {"recognition": "recogniser", "genderage": "gender and age"}
        for task, model in self.app.models.items():
            if task != "detection":
                model.session = Timed(model.session, names.get(task, "landmarks"), self.spent)
        detector: Any = self.app.det_model
        session_for = detector._session_for_input_size  # it opens one of its own for every size it looks at
        detector._session_for_input_size = lambda size: Timed(session_for(size), "detector", self.spent)
        self.swapper.session = Timed(self.swapper.session, "swapper", self.spent)
        with _quiet():
            (self.source,) = self.app.get(cv2.imread(str(save_photo(folder))))

    def run(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """frames: BGR, as cv2 reads them; so are those it returns"""
        made = []
        with _quiet():
            for frame in frames:
                for face in self.app.get(frame):
                    frame = self.swapper.get(frame, face, self.source, paste_back=True)
                made.append(frame)
        return made

    def swap(self, frames: list[np.ndarray], tracks: list[Any], of_source: np.ndarray) -> list[np.ndarray]:
        """Frames with the faces of our tracks swapped: how INSwapper.get alone draws what both decide alike.

        of_source: what the recogniser says about the performer, (512,)
        """
        from insightface.app.common import Face

        made, source = [], Face(embedding=of_source)
        with _quiet():
            for at, frame in enumerate(frames):
                for track in tracks:
                    if track.start <= at < track.stop:
                        face = Face(kps=track.landmarks[at - track.start])
                        frame = self.swapper.get(frame, face, source, paste_back=True)
                made.append(frame)
        return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of scikit-image, at every face
        yield


def bgr(frames: Any) -> list[np.ndarray]:
    return [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]


def save_photo(folder: Path) -> Path:
    """Eileen Collins, NASA, public domain."""
    from PIL import Image
    from skimage import data

    path = folder / "face.png"
    if not path.exists():
        Image.fromarray(data.astronaut()).save(path)
    return path


def refs(*names: str) -> tuple[Any, ...]:
    from diffscaler.stage import ModelRef

    return tuple(ModelRef(name=name, revision="1") for name in names)


def stream(frames: Iterator[np.ndarray], count: int) -> Any:
    """Frames as a stage gets them, a chunk in memory at a time."""
    from diffscaler.media import ClipMeta, FrameChunk, Stream

    meta = ClipMeta(
        kind="frames", width=WIDTH, height=HEIGHT, num_frames=count, fps=Fraction(25), duration_s=count / 25
    )

    def chunks() -> Iterator[FrameChunk]:
        for start in range(0, count, CHUNK):
            part = np.stack([next(frames) for _ in range(start, min(start + CHUNK, count))])
            yield FrameChunk(part, start, (start + np.arange(len(part))) / 25)

    return Stream(meta, chunks())


def clip(count: int, faces: int) -> Iterator[np.ndarray]:
    """720p frames of a real face (the photo's), or of two side by side, that move."""
    import cv2
    from skimage import data

    portrait = np.ascontiguousarray(data.astronaut()[:260, 110:350])
    ground = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 9)
    for index in range(count):
        frame = ground.copy()
        for face in range(faces):
            picture = cv2.resize(portrait if face == 0 else portrait[:, ::-1], None, fx=1.7, fy=1.7)
            x, y = 90 + 610 * face + round(40 * np.sin(index / 9)), 60 + round(25 * np.cos(index / 7))
            frame[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        yield frame
