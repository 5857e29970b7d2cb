"""The sound of a clip that was drawn with sound, kept beside its frames: what is made of the frames later keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from diffscaler.media import Chunk, ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.text2video.stages import thrifty


class DecodeSoundParams(Params):
    """Nothing to choose."""


class DecodeSound:
    """Latents of sound, which Denoise keeps beside those of pictures, to "samples", float32 (channels, N) in -1..1, and
    "rate", how many a second."""

    name, version, lookback, joins = "decode_sound", 1, None, False
    Params = DecodeSoundParams

    def __init__(self, params: DecodeSoundParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="tensors")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        ctx.step(0, 1, "sound")
        latents = next(iter(inputs[0])).tensors["sound"]
        with ctx.acquire(self.models[0]) as model:
            sound = thrifty(model, ctx, partial(model.decode_sound, latents))
        samples = np.ascontiguousarray(sound.samples, np.float32)
        yield TensorChunk({"samples": samples, "rate": np.array([sound.rate])}, 0, inputs[0].meta.num_frames)
