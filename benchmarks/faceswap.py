"""Our face swap beside insightface's own loop, on the same ONNX file in one run.

The file has inswapper's signature and random weights, and is far cheaper than the published one (about 3 GFLOP a face),
so that a laptop core can run it: what a real network's cost does to the ratio follows from the share of time that is
spent in networks. Insightface's detector is not a file this studio may ship: both loops detect with CenterFace on every
frame, and both swap by the landmarks of our tracks. Its loop swaps with `INSwapper.get(paste_back=True)`.

Both run the same networks the same number of times, so the ratio of the whole loops says little about a graphics card,
where networks take a fraction of this; the row "swap around" compares what is ours to make quicker.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.result import Result, median_seconds, run_child

FRAMES, WIDTH, HEIGHT, CHUNK = 24, 1280, 720, 12
CHANNELS, BLOCKS = 128, 5
SHORT, LONG = 60, 600

CHILD = """
import resource, sys
from pathlib import Path
from benchmarks import faceswap
faceswap.Loop(Path(sys.argv[1])).run(lambda: faceswap.clip(int(sys.argv[2]), 1), int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20)
"""


def run(folder: Path) -> Iterator[Result]:
    swapper_file(folder / "inswapper_128.onnx")
    loop = Loop(folder)
    one, two = (list(clip(FRAMES, faces)) for faces in (1, 2))
    _, tracks = loop.run(lambda: iter(one), FRAMES)
    theirs = Theirs(loop, tracks)

    their_seconds = median_seconds(lambda: theirs.run(one, detect=True))
    loop.busy.seconds = 0.0
    our_seconds = median_seconds(lambda: loop.run(lambda: iter(one), FRAMES), warm=True)
    network = loop.busy.seconds / 3
    same = "insightface's loop; both: CenterFace, our landmarks"
    yield Result("faceswap", FRAMES / our_seconds, "frames/s", same, FRAMES / their_seconds, "higher")

    theirs_alone = median_seconds(lambda: theirs.run(one, detect=False))
    found = list(loop.detect(iter(one), FRAMES))
    ours_alone = median_seconds(lambda: list(loop.swap(iter(one), FRAMES, found)))
    around = [
        outside(loop, lambda: theirs.run(one, detect=False)),
        outside(loop, lambda: list(loop.swap(iter(one), FRAMES, found))),
    ]
    yield Result("swap around", around[1], "ms/face", "INSwapper.get; outside any network", around[0], "lower")
    yield Result("swap alone", FRAMES / ours_alone, "frames/s", "INSwapper.get alone", FRAMES / theirs_alone, "higher")

    yield Result("swap share", 100 * network / our_seconds, "% network", "wanted at least", 70, "higher")
    made = np.concatenate(list(loop.swap(iter(one), FRAMES, found, colour=0.0)))
    told = "wanted; inner face, where both masks are whole"
    yield Result("swap alike", likeness_db(made, theirs.run(one, detect=False), tracks), "dB", told, 45, "higher")

    two_seconds = median_seconds(lambda: loop.run(lambda: iter(two), FRAMES))
    yield Result("two faces", 1000 * two_seconds / FRAMES, "ms/frame", "one face", 1000 * our_seconds / FRAMES, "lower")

    peaks = {frames: float(run_child(CHILD, str(folder), str(frames))) for frames in (SHORT, LONG)}
    yield Result("swap memory", peaks[LONG], f"MiB, {LONG}", f"{SHORT} frames of the same clip", peaks[SHORT], "lower")


class Loop:
    """DetectFaces and SwapFace over chunks, in this process, with its networks' time taken."""

    def __init__(self, folder: Path) -> None:
        from PIL import Image
        from skimage import data

        from diffscaler.faceswap.detect import load_detector
        from diffscaler.faceswap.inswapper import load_swapper

        self.photo = folder / "face.png"
        Image.fromarray(data.astronaut()).save(self.photo)
        self.busy = Busy()
        self.detector = load_detector()
        self.detector.session = Timed(self.detector.session, self.busy)
        self.file = folder / "inswapper_128.onnx"
        network = load_swapper(SimpleNamespace(path=self.file))
        self.network = replace(network, session=Timed(network.session, self.busy))
        self.features = np.random.default_rng(1).normal(0, 1, 512).astype(np.float32)
        recognizer = SimpleNamespace(features=lambda photo, landmarks: self.features)
        self.models = {"centerface": self.detector, "inswapper": self.network, "arcface": recognizer}

    def run(self, frames: Any, count: int) -> tuple[list[float], list[Any]]:
        """Detect, then swap; frames: gives the clip anew. Returns every frame's mean and the tracks."""
        from diffscaler.faceswap.detections import gather

        found = list(self.detect(frames(), count))
        means = [float(part.mean()) for part in self.swap(frames(), count, found)]
        return means, gather(found).tracks(25)

    def detect(self, frames: Iterator[np.ndarray], count: int) -> Iterator[Any]:
        from diffscaler.faceswap.stage import DetectFaces, DetectFacesParams

        return DetectFaces(DetectFacesParams(), refs("centerface")).run((stream(frames, count),), self._context())

    def swap(
        self, frames: Iterator[np.ndarray], count: int, found: list[Any], colour: float = 0.5
    ) -> Iterator[np.ndarray]:
        from diffscaler.faceswap.casting import CastParams, Role
        from diffscaler.faceswap.stage import SwapFace

        params = CastParams(cast=(Role(photos=("face",)),), engine="inswapper", colour=colour)
        source = stream(frames, count)
        detections = replace(stream(iter(()), count), chunks=iter(found))
        stage = SwapFace(params, refs("centerface", "inswapper", "arcface"))
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
    """insightface's way: each frame by itself, whole frames warped."""

    def __init__(self, loop: Loop, tracks: list[Any]) -> None:
        from insightface.app.common import Face
        from insightface.model_zoo.inswapper import INSwapper

        self.loop = loop
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its input's shape
            self.swapper = INSwapper(str(loop.file), loop.network.session)
        self.source = Face(embedding=loop.features)
        self.faces = [
            [Face(kps=track.landmarks[at - track.start]) for track in tracks if track.start <= at < track.stop]
            for at in range(FRAMES)
        ]

    def run(self, frames: list[np.ndarray], detect: bool) -> np.ndarray:
        import warnings

        made = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of scikit-image, at every face
            for frame, faces in zip(frames, self.faces, strict=True):
                if detect:
                    self.loop.detector.detect(frame, 0.5)
                picture = np.ascontiguousarray(frame[..., ::-1])
                for face in faces:
                    picture = self.swapper.get(picture, face, self.source, paste_back=True)
                made.append(picture[..., ::-1])
        return np.stack(made)


class Busy:
    """Adds up the seconds in which at least one network runs: several faces are worked on at once."""

    def __init__(self) -> None:
        self.seconds, self.running, self.since, self.lock = 0.0, 0, 0.0, threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            if self.running == 1:
                self.since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1
            if not self.running:
                self.seconds += time.perf_counter() - self.since


class Timed:
    """An onnxruntime session whose runs count as busy."""

    def __init__(self, session: Any, busy: Busy) -> None:
        self.session, self.busy = session, busy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, *args: Any) -> Any:
        with self.busy:
            return self.session.run(*args)


def outside(loop: Loop, work: Callable[[], object]) -> float:
    """Milliseconds a frame that `work` spends outside the networks; ours includes finding the face in the photo."""
    loop.busy.seconds = 0.0
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began - loop.busy.seconds) / FRAMES


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
    """720p frames of a real face (Eileen Collins, NASA, public domain), or of two side by side, that move."""
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


def likeness_db(ours: np.ndarray, theirs: np.ndarray, tracks: list[Any]) -> float:
    """How alike the drawn faces are, dB of peak over difference, between the eyes and the mouth."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    errors = []
    for track in tracks:
        for index in range(track.start, track.stop):
            points = track.landmarks[index - track.start]
            reach = 0.6 * np.linalg.norm(points[1] - points[0])
            inner = np.hypot(x - points[2][0], y - points[2][1]) < reach
            errors.append(((ours[index][inner].astype(float) - theirs[index][inner]) ** 2).mean())
    return float(10 * np.log10(255**2 / max(np.mean(errors), 1e-9)))


def swapper_file(path: Path) -> Path:
    """A swapper of random weights with inswapper's signature: down to 32x32, styled residual blocks, and up again."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes: list[Any] = []
    weights: list[Any] = []

    def weight(name: str, values: np.ndarray) -> str:
        kind = np.int64 if values.dtype == np.int64 else np.float32
        weights.append(numpy_helper.from_array(values.astype(kind), name))
        return name

    def conv(source: str, result: str, inside: int, outside: int, stride: int = 1) -> str:
        values = rng.normal(0, 1, (outside, inside, 3, 3)) / np.sqrt(9 * inside)
        given = [source, weight(f"{result}_w", values)]
        nodes.append(helper.make_node("Conv", given, [result], kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2))
        return result

    def node(kind: str, given: list[str], result: str, **how: Any) -> str:
        nodes.append(helper.make_node(kind, given, [result], **how))
        return result

    at = node("Relu", [conv("target", "down1", 3, CHANNELS // 2, 2)], "down1_r")
    at = node("Relu", [conv(at, "down2", CHANNELS // 2, CHANNELS, 2)], "down2_r")
    shape = weight("shape", np.array([-1, CHANNELS, 1, 1]))
    for block in range(BLOCKS):
        style = node("Gemm", ["source", weight(f"style{block}", rng.normal(0, 0.5, (512, CHANNELS)))], f"flat{block}")
        style = node("Reshape", [style, shape], f"styled{block}")
        inner = node(
            "Relu", [node("Mul", [conv(at, f"a{block}", CHANNELS, CHANNELS), style], f"m{block}")], f"r{block}"
        )
        at = node("Add", [at, conv(inner, f"b{block}", CHANNELS, CHANNELS)], f"block{block}")
    scales = weight("scales", np.array([1, 1, 4, 4], np.float32))
    at = node("Resize", [at, "", scales], "large", mode="linear")
    at = node("Sigmoid", [conv(at, "rgb", CHANNELS, 3)], "drawn")
    half = weight("half", np.array([0.5], np.float32))
    node("Mul", [node("Add", ["target", at], "both"), half], "output")  # half of it the face that was there
    weight("emap", rng.normal(0, 1, (512, 512)))  # last, as insightface expects it
    graph = helper.make_graph(
        nodes,
        "swapper",
        [
            helper.make_tensor_value_info("target", TensorProto.FLOAT, [1, 3, 128, 128]),
            helper.make_tensor_value_info("source", TensorProto.FLOAT, [1, 512]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 128, 128])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
