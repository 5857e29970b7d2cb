"""Networks that draw an identity onto a crop, run in batches, and several times for a crop larger than theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.convolutions import quicken
from diffscaler.faceswap.crops import Template
from diffscaler.faceswap.sessions import ALONE, open_session
from diffscaler.models.device import onnx_providers
from diffscaler.models.fit import PLAIN

Floats = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

CARD_BATCH = 4  # on one CPU core a batch saves nothing (9 to 11 ms a picture, whether 1, 2, 4 or 8 at once)
SAME = 1e-3  # pictures are 0..1 or -1..1 and end as 8 bits


@dataclass(frozen=True)
class SwapNetwork:
    """A swapper, whatever its family.

    latent: raw features of a performer's photos (each (512,), as `Recognizer.features` gives them) -> what the network
    takes, float32 (1, 512); size: side of its crops, pixels; signed: its pictures are -1..1, not 0..1
    batch: pictures it gets at once, always exactly that many; single: why that is 1 although more were wanted, or ""
    """

    session: Any
    template: Template
    size: int
    latent: Callable[[list[Floats]], Floats]
    signed: bool = False
    batch: int = 1
    single: str = ""

    def draw(self, crops: Frames, latents: Floats, tick: Callable[[], None] = lambda: None) -> Frames:
        """The crops with the faces of `latents` (N, 512) on them, uint8 RGB (N, S, S, 3).

        S: `size` or a multiple of it; then every crop is taken apart into interleaved pictures of `size`
        tick: called before every run of the network
        The last batch is filled up: kernels for another number of pictures could round differently, and a frame's
        result must not depend on its neighbours.
        """
        pieces = take_apart(crops, self.size)
        each = len(pieces) // len(crops)
        drawn = np.empty_like(pieces)
        for start in range(0, len(pieces), self.batch):
            tick()
            stop = min(start + self.batch, len(pieces))
            numbers = np.minimum(np.arange(start, start + self.batch), stop - 1)
            drawn[start:stop] = self._run(pieces[numbers], latents[numbers // each])[: stop - start]
        return put_together(drawn, crops.shape[1])

    def _run(self, pictures: Frames, latents: Floats) -> Frames:
        values = pictures.astype(np.float32) / np.float32(255)
        if self.signed:
            values = values * 2 - 1
        out = run(self.session, values, latents)
        if self.signed:
            out = out * np.float32(0.5) + np.float32(0.5)
        return np.clip(np.rint(out * np.float32(255)), 0, 255).astype(np.uint8)


def run(session: Any, pictures: Floats, latents: Floats) -> Floats:
    """One call: pictures (N, 3, S, S), latents (N, 512), told apart by their shapes because names vary."""
    feed = {value.name: pictures if len(value.shape) == 4 else latents for value in session.get_inputs()}
    return np.asarray(session.run(None, feed)[0], np.float32)


def take_apart(crops: Frames, size: int) -> Frames:
    """Crops (N, S, S, 3) as interleaved pictures (N * k * k, 3, size, size), k = S / size.

    Picture (i, j) holds the pixels [i::k, j::k]: each shows the whole face, as the network expects, and together they
    hold every pixel (FaceFusion's "pixel boost").
    """
    count, k = len(crops), crops.shape[1] // size
    parts = crops.reshape(count, size, k, size, k, 3).transpose(0, 2, 4, 5, 1, 3)
    return np.ascontiguousarray(parts.reshape(count * k * k, 3, size, size))


def put_together(pictures: Frames, side: int) -> Frames:
    """Undo `take_apart`: (N * k * k, 3, size, size) -> (N, side, side, 3)."""
    size = pictures.shape[-1]
    k = side // size
    parts = pictures.reshape(-1, k, k, 3, size, size).transpose(0, 4, 1, 5, 2, 3)
    return np.ascontiguousarray(parts.reshape(-1, side, side, 3))


def open_swapper(path: Path, graph: Any, device: Any, batch: int | None) -> tuple[Any, int, int, str] | None:
    """A session for a swapper's file, and its size, batch and single (see `SwapNetwork`).

    graph: the loaded onnx model, which is changed; batch: pictures at once, None: what suits the device
    On a CPU the network runs by quicker convolutions (`convolutions.quicken`), which take more memory, unless the
    device says that there is none.
    None when the inputs are not one square picture and one vector of 512. Raises ModelNotFound.
    """
    own = {value.name for value in graph.graph.initializer}  # old exporters list weights among the inputs
    sides = [
        [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in graph.graph.input
        if value.name not in own
    ]
    images, vectors = ([each for each in sides if len(each) == count] for count in (4, 2))
    if len(images) != 1 or len(vectors) != 1 or len(sides) != 2 or vectors[0][1] != 512:
        return None
    size = images[0][2]
    if not size or images[0][3] != size:
        return None
    if onnx_providers(device)[0] == "CPUExecutionProvider" and batch in (None, 1):
        if PLAIN in getattr(device, "rungs", ()):
            return open_session(path, device, ALONE), size, 1, ""
        weights = quicken(graph)
        return open_session(graph.SerializeToString(), device, ALONE, weights, path.name), size, 1, ""
    session = open_session(path, device)
    on_card = session.get_providers()[0] != "CPUExecutionProvider"
    wanted = (CARD_BATCH if on_card else 1) if batch is None else batch
    if wanted == 1:
        return session, size, 1, ""
    opened = open_batch(graph, device)
    why = "its file allows one face at a time" if opened is None else disagreement(session, opened, size)
    return (session, size, 1, why) if opened is None or why else (opened, size, wanted, "")


def open_batch(graph: Any, device: Any) -> Any | None:
    """The same graph for any number of pictures: published files are fixed to 1. None when it cannot be opened so."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph)
    weights = {value.name for value in model.graph.initializer}
    for value in [*(value for value in model.graph.input if value.name not in weights), *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims):
            dims[0].dim_param = "batch"
    del model.graph.value_info[:]  # shapes in between, noted for a batch of 1
    try:
        return open_session(model.SerializeToString(), device)
    except ModelNotFound:
        return None


def disagreement(single: Any, batched: Any, size: int) -> str:
    """Why two pictures at once do not come out as each alone does; "" when they do. Some graphs hold a constant 1."""
    rng = np.random.default_rng(0)
    pictures = rng.random((2, 3, size, size), np.float32)
    latents = rng.standard_normal((2, 512), np.float32)
    latents /= np.linalg.norm(latents, axis=1, keepdims=True)
    try:
        both = run(batched, pictures, latents)
    except Exception:  # onnxruntime has a dozen unrelated exception types for a shape that does not fit
        return "its file is made for one face at a time"
    alone = np.concatenate([run(single, pictures[i : i + 1], latents[i : i + 1]) for i in range(2)])
    if both.shape != alone.shape or not np.allclose(both, alone, rtol=0, atol=SAME):
        return "its file gives other pictures for several faces at once"
    return ""
