"""What a family of text-to-video models must be able to do; a pipeline loaded for one is wrapped in its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from diffscaler.text2video.mirror import in_mirror
from diffscaler.text2video.plate import seen
from diffscaler.text2video.steady import steadied
from diffscaler.text2video.strength import first_step
from diffscaler.text2video.vocabulary import Reading

if TYPE_CHECKING:
    from diffscaler.text2video.frugal import Frugal

Array = npt.NDArray[Any]

#: on_step(done, total, clean): the sampler's idea of the finished latents, as `denoise` returns them; it may raise.
OnStep = Callable[[int, int, Array], None]


@dataclass(frozen=True)
class Control:
    """What leads a clip: a ControlNet, uint8 RGB frames (F, H, W, 3), how strongly, and in which part of the steps."""

    controlnet: Any
    frames: npt.NDArray[np.uint8]
    scale: float
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True)
class Reference:
    """What a clip is to look like: an IP-Adapter (ip_adapter.py), what its image encoder saw in a picture
    (image_encoder.py), and how strongly, 0..1."""

    adapter: Any
    embeddings: dict[str, Array]
    scale: float


@dataclass(frozen=True)
class Sound:
    """What a clip sounds like: float32 (channels, N) in -1..1, and how many samples a second."""

    samples: Array
    rate: int


@dataclass(frozen=True)
class Sampling:
    """What one denoising run is asked for. Sizes in pixels; `seed` fixes the initial noise on every device.

    fps: frames per second of the clip, for families that are told
    scheduler: "native", or a name from schedulers.py
    guidance_rescale: 0..1, see guidance.py; shared_noise: 0..1, see noise.py; None leaves it to the model
    window, overlap: frames a family that can draw longer clips sees at once, and that neighbours share; 0: all
    reuse: "off", "some" or "much", see reuse.py
    free_init: refining passes after the first, free_init_filter: "butterworth" or "gaussian", see free_init.py
    smooth_background: 0..1, see background.py; foreground: who finds it there, a foreground.Foreground; None: built in
    picture: uint8 RGB (height, width, 3) to start from, or None
    source: latents (C, F', h, w) of a clip to redraw, as `encode` gives them, or None
    strength: how much of that clip is drawn anew, 0..1, see strength.py
    pan_px: by how much the view moves to the right from frame to frame, see plate.py; latents are as wide as the plate
    """

    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    fps: float = 8.0
    scheduler: str = "native"
    guidance_rescale: float = 0.0
    shared_noise: float | None = None
    window: int = 0
    overlap: int = 0
    reuse: str = "off"
    free_init: int = 0
    free_init_filter: str = "butterworth"
    smooth_background: float = 0.0
    foreground: Any = None
    picture: npt.NDArray[np.uint8] | None = None
    source: Array | None = None
    strength: float = 1.0
    pan_px: int = 0
    control: Control | None = None
    reference: Reference | None = None

    @property
    def first_step(self) -> int:
        """Index of the first step taken: later than 0 where a clip is redrawn, num_inference_steps where it stays."""
        return 0 if self.source is None else first_step(self.num_inference_steps, self.strength)

    @property
    def steps_taken(self) -> int:
        return self.num_inference_steps - self.first_step


def native_sampling(native: dict[str, Any], seed: int) -> Sampling:
    """What a model was trained for, from its card's `native` table."""
    names = ("width", "height", "num_frames", "num_inference_steps", "guidance_scale")
    return Sampling(**{name: native[name] for name in names}, seed=seed)


class Family(Protocol):
    """A loaded text-to-video model."""

    #: What a person should know about this model's words, e.g. that it reads none; "" for nothing.
    note: str
    #: What it took of the ladder of models/fit.py, and how to take more of it; None when memory alone rules it.
    frugal: Frugal | None

    #: Whether frames can only be decoded all together (a VAE that compresses time), or a few at a time.
    decodes_whole: bool

    def read(self, prompt: str) -> Reading | None:
        """What the model makes of a prompt; None when nobody can say."""
        ...

    def encode_text(self, prompt: str, negative_prompt: str) -> dict[str, Array]:
        """Named arrays, everything `denoise` needs to know about the words."""
        ...

    def denoise(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> Array:
        """Latents float32 (C, F', h, w), where F' is the number of frames or what the VAE makes of it."""
        ...

    def decode(self, latents: Array) -> npt.NDArray[np.uint8]:
        """Latents -> uint8 RGB (F, H, W, 3). Where not `decodes_whole`, a frame depends on its own latents alone."""
        ...

    def preview(self, clean: Array, num_frames: int) -> npt.NDArray[np.uint8]:
        """Up to `num_frames` pictures of unfinished latents, uint8 RGB (N, H, W, 3), quickly."""
        ...


class RedrawingFamily(Family, Protocol):
    """One whose traits say that it redraws clips."""

    def encode(self, frames: npt.NDArray[np.uint8]) -> Array:
        """Frames, uint8 RGB (F, H, W, 3), to latents float32 (C, F', h, w): the way back of `decode`, always the same.

        Where not `decodes_whole`, a frame's latents depend on that frame alone.
        """
        ...


class SoundingFamily(Family, Protocol):
    """One whose traits say that its clips come with sound."""

    def denoise_with_sound(self, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> tuple[Array, Array]:
        """Latents as `denoise` gives them, and those of the sound, float32."""
        ...

    def decode_sound(self, latents: Array) -> Sound:
        """Latents of sound -> what is heard."""
        ...


def denoised(model: Family, text: dict[str, Array], sampling: Sampling, on_step: OnStep) -> dict[str, Array]:
    """What a model draws: "latents", and "sound" where it makes some."""
    if not hasattr(model, "denoise_with_sound"):
        return {"latents": model.denoise(text, sampling, on_step)}
    pictures, sound = cast(SoundingFamily, model).denoise_with_sound(text, sampling, on_step)
    return {"latents": pictures, "sound": sound}


def draw(model: Family, native: dict[str, Any], prompt: str, seed: int) -> npt.NDArray[np.uint8]:
    """A clip at the model's own settings, without library or jobs: uint8 RGB (F, H, W, 3)."""
    sampling, reading = native_sampling(native, seed), model.read(prompt)
    pan_px = reading.pan_px(sampling.height, sampling.num_frames) if reading else 0
    sampling = replace(sampling, pan_px=pan_px)
    frames = model.decode(model.denoise(model.encode_text(prompt, ""), sampling, lambda *_: None))
    frames = steadied(frames, native.get("steady", 0.0))
    frames = seen(frames, range(len(frames)), sampling.width, len(frames), pan_px)
    return in_mirror(frames) if reading and reading.mirrored else frames


def spread(count: int, wanted: int) -> npt.NDArray[np.int64]:
    """Indices of `wanted` frames (or all, when there are fewer) from the first to the last of `count`."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64)
