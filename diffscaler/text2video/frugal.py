"""Takes the rungs of models/fit.py on a loaded pipeline, and one more whenever memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch

from diffscaler.models.fit import LADDERS, RUNG_WORDS, Rung, needed_bytes

#: Needed once, before drawing; encoders of start pictures are small and needed within a pipeline's call.
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3", "connectors")
DENOISERS = ("transformer", "transformer_2", "unet")


class Frugal:
    """What a pipeline has taken of the ladder.

    pipeline: a diffusers pipeline; device: models.device.Device, with the rungs a model takes from the start
    windows: whether its clips can be drawn in windows
    """

    def __init__(self, pipeline: Any, device: Any, dtype: torch.dtype, windows: bool) -> None:
        self.pipeline, self.dtype = pipeline, dtype
        self.device = torch.device(device.torch_name)
        self.ladder = tuple(rung for rung in LADDERS[self.device.type] if windows or rung != "short windows")
        self.taken: list[Rung] = []
        self.budget_bytes = getattr(device, "budget_bytes", 0)
        self.counts = {name: sum(p.numel() for p in part.parameters()) for name, part in self.parts().items()}
        for rung in getattr(device, "rungs", ()):
            self.take(rung)
        self.place()

    @property
    def words(self) -> str:
        """What was done to fit, for page and file."""
        return "; ".join(RUNG_WORDS[rung] for rung in self.taken)

    def place(self) -> None:
        """Put the parts where they belong: on the device, but for those a rung keeps elsewhere."""
        for name, part in self.parts().items():
            aside = name in ENCODERS and "encoders aside" in self.taken
            if not aside and not (name in DENOISERS and "group offload" in self.taken):
                part.to(self.device)

    def parts(self) -> dict[str, torch.nn.Module]:
        return {name: part for name, part in self.pipeline.components.items() if isinstance(part, torch.nn.Module)}

    def ahead(self, size: tuple[int, int, int]) -> None:
        """Take what a clip of this size is expected to need: on a CPU, running out would end the whole process.

        size: width, height in pixels and frames seen at once
        """
        for rung in self.ladder if self.budget_bytes else ():
            if needed_bytes(self.counts, tuple(self.taken), size, self.dtype.itemsize) <= self.budget_bytes:
                return
            self.take(rung)

    def step_down(self) -> Rung | None:
        """Take the next rung; None when there is none left. What was cached is given back first."""
        left = [rung for rung in self.ladder if rung not in self.taken]
        if not left:
            return None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.take(left[0])
        return left[0]

    def take(self, rung: Rung) -> None:
        """Take one rung. Taking it twice does nothing."""
        if rung in self.taken:
            return
        self.taken.append(rung)
        parts = self.parts()
        match rung:
            case "encoders aside":
                for name in ENCODERS:
                    if name in parts:
                        parts[name].to("cpu")
            case "tiled decoding":
                for method in ("enable_slicing", "enable_tiling"):
                    if hasattr(parts["vae"], method):
                        getattr(parts["vae"], method)()
            case "fp8 weights":
                for name in DENOISERS:
                    if name in parts:
                        parts[name].enable_layerwise_casting(torch.float8_e4m3fn, self.dtype)
            case "group offload":
                for name in DENOISERS:
                    if name in parts:
                        parts[name].enable_group_offload(
                            onload_device=self.device,
                            offload_device=torch.device("cpu"),
                            offload_type="leaf_level",
                            use_stream=self.device.type == "cuda",
                        )
            case "short windows":
                pass  # read by whoever draws

    @contextmanager
    def encoders(self) -> Generator[None, None, None]:
        """Inside, the text encoders are on the device."""
        if "encoders aside" not in self.taken:
            yield
            return
        aside = [part for name, part in self.parts().items() if name in ENCODERS]
        for part in aside:
            part.to(self.device)
        try:
            yield
        finally:
            for part in aside:
                part.to("cpu")

    @contextmanager
    def drawing(self) -> Generator[None, None, None]:
        """Inside, text encoders that wait elsewhere are no part of the pipeline: it takes the place of its first part
        for the place where all of them are."""
        aside = [name for name in ENCODERS if name in self.parts()] if "encoders aside" in self.taken else []
        kept = {name: getattr(self.pipeline, name) for name in aside}
        for name in aside:
            setattr(self.pipeline, name, None)
        try:
            yield
        finally:
            for name, part in kept.items():
                setattr(self.pipeline, name, part)

    def window(self, window: int, num_frames: int) -> int:
        """The window to draw in: half of what would be, when memory asked for it; 0 stays "all at once" otherwise."""
        if "short windows" not in self.taken:
            return window
        return max(1, (window or num_frames) // 2)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory was short, on a card or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
