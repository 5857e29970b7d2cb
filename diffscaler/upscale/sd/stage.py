"""The stage that upscales with one of Stable Diffusion's upscalers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream
from diffscaler.stage import ModelRef, Params, StageContext


class SdParams(Params):
    """scale: times larger in both directions; own_scale: what the network enlarges by, another factor is made of its
    frames; prompt: what the clip shows; the rest: see drawing.Sampling"""

    scale: int
    own_scale: Literal[2, 4] = 4
    prompt: str = ""
    tile: int = Field(128, ge=16, multiple_of=16)
    num_inference_steps: int = Field(20, ge=1, le=200)
    guidance_scale: float = Field(7.0, ge=1, le=20)
    noise_level: int = Field(20, ge=0, le=350)
    seed: int = 0


class UpscaleSd:
    """Draws every frame by itself, from one noise for all: a still clip stays still."""

    name, version, lookback, joins = "upscale_sd", 1, 0, False
    Params = SdParams
    #: Of the result: frames as everywhere, and one in float32 while it is put together.
    working_bytes_per_pixel = 3 * 12 + 3 * 4 * 2 + 4

    def __init__(self, params: SdParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = (params.own_scale / params.scale) ** 2 * params.num_inference_steps

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        meta, scale = inputs[0], self.params.scale
        return meta.change(kind="frames", width=meta.width * scale, height=meta.height * scale)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.upscale.sd.drawing import Sampling, enlarged
        from diffscaler.upscale.tile import resized

        params, source = self.params, inputs[0]
        meta = source.meta
        ctx.note(f"diffusion upscaler, {params.num_inference_steps} steps for each frame by itself")
        sampling = Sampling(
            params.num_inference_steps, params.guidance_scale, params.noise_level, params.tile, params.seed
        )
        with ctx.acquire(self.models[0]) as sd:
            for chunk in source:

                def on_step(done: int, total: int, part: FrameChunk = chunk) -> None:
                    each = total // len(part.frames)
                    ctx.step(part.start * each + done, meta.num_frames * each, "part")

                made = list(enlarged(sd, chunk.frames, params.prompt, sampling, on_step))
                if params.scale != params.own_scale:
                    size = (meta.height * params.scale, meta.width * params.scale)
                    made = [resized(frame, *size) for frame in made]
                yield FrameChunk(np.stack(made), chunk.start, chunk.times)
