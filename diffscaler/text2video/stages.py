"""The three stages from words to frames. Each one's result is kept, so a new seed does not read the prompt again and a
new delivery does not draw again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from diffscaler.media import Chunk, ClipMeta, FrameChunk, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext

# Frames of the unfinished clip shown at each step: enough to see it move, cheap enough not to slow it.
PREVIEW_FRAMES = 4
# A small model's steps are so short that showing each would take longer than drawing it.
PREVIEW_EVERY_S = 0.7


class EncodeTextParams(Params):
    """What is wanted, and what must not appear."""

    prompt: str
    negative_prompt: str = ""


class EncodeText:
    """Words to embeddings."""

    name, version, lookback, joins = "encode_text", 2, None, False
    Params = EncodeTextParams

    def __init__(self, params: EncodeTextParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        ctx.step(0, 1, "prompt")
        with ctx.acquire(self.models[0]) as model:
            if reading := model.read(self.params.prompt):
                for note in reading.notes(self.models[0].name):
                    ctx.note(note)
            given = self.params.negative_prompt
            if given and (unwanted := model.read(given)) and unwanted.heard != given:
                ctx.note(f"{self.models[0].name} reads the negative prompt as {unwanted.heard or 'nothing'!r}.")
            yield TensorChunk(model.encode_text(self.params.prompt, self.params.negative_prompt))


class DenoiseParams(Params):
    """fps: frames per second the model draws at, as a fraction, e.g. "8" or "24000/1001"."""

    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    fps: str = "8"


class Denoise:
    """Embeddings to latents, by sampling from the model."""

    name, version, lookback, joins = "denoise", 2, None, False
    Params = DenoiseParams

    def __init__(self, params: DenoiseParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        self.effort = params.num_inference_steps * (2 if params.guidance_scale > 1 else 1)

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        fps, frames = Fraction(self.params.fps), self.params.num_frames
        return ClipMeta(
            kind="tensors",
            width=self.params.width,
            height=self.params.height,
            num_frames=frames,
            fps=fps,
            duration_s=float(frames / fps),
            still=frames == 1,
        )

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.text2video.family import Sampling

        text = next(iter(inputs[0])).tensors
        sampling = Sampling(**self.params.model_dump(exclude={"fps"}))
        with ctx.acquire(self.models[0]) as model:
            shown_at = 0.0

            def on_step(done: int, total: int, clean: np.ndarray) -> None:
                nonlocal shown_at
                ctx.step(done, total, "step")
                if time.monotonic() - shown_at < PREVIEW_EVERY_S:
                    return
                shown = np.linspace(0, clean.shape[1] - 1, min(PREVIEW_FRAMES, clean.shape[1])).round().astype(int)
                ctx.preview(model.decode(np.ascontiguousarray(clean[:, shown])))
                shown_at = time.monotonic()

            latents = model.denoise(text, sampling, on_step)
        for _ in inputs[0]:  # an exhausted input is a finished one
            pass
        yield TensorChunk({"latents": latents.astype(np.float32)}, 0, self.params.num_frames)


class DecodeParams(Params):
    """Nothing to choose."""


class Decode:
    """Latents to frames."""

    name, version, lookback, joins = "decode", 2, 0, False
    Params = DecodeParams

    def __init__(self, params: DecodeParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        meta = inputs[0].meta
        chunks = list(inputs[0])
        latents = chunks[0].tensors["latents"]
        with ctx.acquire(self.models[0]) as model:
            for start in range(ctx.start, meta.num_frames, meta.chunk_frames):
                part = np.ascontiguousarray(latents[:, start : start + meta.chunk_frames])
                frames = model.decode(part)
                ctx.step(start + len(frames), meta.num_frames, "frame")
                times = np.arange(start, start + len(frames)) / float(meta.fps)
                yield FrameChunk(frames, start, times)
