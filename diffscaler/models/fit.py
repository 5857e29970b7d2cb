"""How a model is made to fit: the one place that decides, by a ladder from comfortable to frugal.

All figures are estimates of what a model takes while it works; a card that runs out all the same is met by stepping
one rung down (text2video/frugal.py), and the clip says which rung it was drawn on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from diffscaler.models.sizes import weight_counts
from diffscaler.models.spec import ModelSpec

Rung = Literal[
    "encoders aside", "tiled decoding", "group offload", "fp8 weights", "short windows", "plain convolutions"
]
#: The rung of face swappers on a CPU.
PLAIN: Rung = "plain convolutions"

#: What each rung is called to a person.
RUNG_WORDS: dict[Rung, str] = {
    "encoders aside": "text encoders wait in main memory",
    "tiled decoding": "pictures are decoded in tiles",
    "group offload": "layers come to the card one by one",
    "fp8 weights": "weights are kept in 8 bits",
    "short windows": "the clip is drawn in shorter windows",
    "plain convolutions": "faces are drawn in the slower way that takes less memory",
}

#: The rungs that help, by where models run: beside a card there is main memory, beside main memory there is nothing.
LADDERS: dict[str, tuple[Rung, ...]] = {
    "cuda": ("encoders aside", "tiled decoding", "group offload", "fp8 weights", "short windows"),
    "mps": ("tiled decoding", "fp8 weights", "short windows"),
    "cpu": ("tiled decoding", "fp8 weights", "short windows"),
}

MIB = 2**20
#: What torch and its libraries take whatever the model.
BASE_BYTES = 300 * MIB
#: Channels of the widest layers that work at full latent size, and how many such tensors are alive at once.
DENOISER_WIDTH, DENOISER_TENSORS = 320, 12
#: The same for a decoder at full picture size.
DECODER_WIDTH, DECODER_TENSORS = 256, 3
#: What Winograd's weights take, in sizes of the file (faceswap/convolutions.py): four of them in the end; onnxruntime
#: copies them while it loads. A file as large as the published inswapper: 2.2 GB of a process, 4.5 GB at the peak.
QUICK_WEIGHTS = 7
TILE = 256
LATENT_CELL = 8


@dataclass(frozen=True)
class Room:
    """Where models run, as far as it says how they are made to fit. kind and dtype as of models.device.Device;
    budget_bytes: memory that models may take there."""

    kind: str
    dtype: str
    budget_bytes: int


@dataclass(frozen=True)
class Fit:
    """rungs: those taken, from the top; needed_bytes: estimated memory where the model runs, while it works."""

    rungs: tuple[Rung, ...]
    needed_bytes: int

    @property
    def words(self) -> str:
        """What was done, for the page and the file; "" when nothing had to be."""
        return "; ".join(RUNG_WORDS[rung] for rung in self.rungs)


def needed_bytes(
    counts: Mapping[str, int], rungs: tuple[Rung, ...], size: tuple[int, int, int], bytes_per_weight: int
) -> int:
    """Estimated memory of a model that has taken `rungs`.

    counts: weights by part, as sizes.weight_counts gives them; size: width, height in pixels, frames
    """
    width, height, frames = size
    if "short windows" in rungs:
        frames = (frames + 1) // 2
    encoders = sum(n for part, n in counts.items() if "encoder" in part or part == "connectors")
    decoder = counts.get("vae", 0)
    denoiser = sum(counts.values()) - encoders - decoder
    denoiser_bytes = denoiser * bytes_per_weight
    if "fp8 weights" in rungs:
        denoiser_bytes = denoiser + denoiser_bytes // 20  # norms and first and last layers stay as they are
    if "group offload" in rungs:
        denoiser_bytes //= 8  # the layers at work, and the next on their way
    encoder_bytes, rest = encoders * bytes_per_weight, denoiser_bytes + decoder * bytes_per_weight
    weights = max(encoder_bytes, rest) if "encoders aside" in rungs else encoder_bytes + rest
    cells = frames * (width // LATENT_CELL) * (height // LATENT_CELL)
    denoising = 2 * cells * DENOISER_WIDTH * DENOISER_TENSORS * bytes_per_weight
    pixels = min(width * height, TILE * TILE) if "tiled decoding" in rungs else width * height
    decoding = pixels * DECODER_WIDTH * DECODER_TENSORS * bytes_per_weight
    return BASE_BYTES + weights + max(denoising, decoding)


def fit_model(spec: ModelSpec, device: Any, budget_bytes: int, size: tuple[int, int, int] | None = None) -> Fit:
    """The first rung on which a model fits into `budget_bytes` of the device's memory, or the last when none does.

    device: models.device.Device, or Room
    size: width, height in pixels and frames seen at once of the clip it shall draw; None: of its own
    """
    if spec.kind == "face_swapper" and device.kind == "cpu" and spec.path is not None and spec.path.is_file():
        quick = spec.working_bytes + QUICK_WEIGHTS * spec.path.stat().st_size
        return Fit((), quick) if quick <= budget_bytes else Fit((PLAIN,), spec.working_bytes)
    if spec.kind != "text2video" or spec.path is None or not spec.path.is_dir():
        return Fit((), spec.working_bytes)
    if size is None and spec.working_bytes <= budget_bytes:
        return Fit((), spec.working_bytes)
    native = spec.native
    own = (int(native.get("width", 512)), int(native.get("height", 512)), int(native.get("num_frames", 16)))
    counts = weight_counts(spec.path)
    weight = 4 if device.dtype == "float32" else 2
    ladder, loaded_with = LADDERS[device.kind], 0
    if size is None or not spec.traits.windows:
        # Windows are a matter of each clip, not of the model.
        ladder = tuple(rung for rung in ladder if rung != "short windows")
    if size is not None:
        # The rungs it took when it was loaded stay taken; text2video/frugal.py adds what this clip needs.
        loaded_with = len(fit_model(spec, device, budget_bytes).rungs)
    rungs = [ladder[:n] for n in range(loaded_with, len(ladder) + 1)]
    fits = [Fit(taken, needed_bytes(counts, taken, size or own, weight)) for taken in rungs]
    return next((fit for fit in fits if fit.needed_bytes <= budget_bytes), fits[-1])
