"""The stages that prepare a clip to be redrawn: its frames, and what they are to the model. Both are kept, so another
strength, prompt or seed begins with drawing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np

from diffscaler.media import Chunk, ClipMeta, Frames, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.text2video.clip_frames import ClipFrames
from diffscaler.text2video.mirror import in_mirror
from diffscaler.text2video.stages import Shaped, thrifty


class SourceParams(Shaped):
    """mirrored: the clip it leads to is drawn in the mirror, so this one is too."""

    mirrored: bool = False
    later: ClassVar[frozenset[str]] = frozenset({"mirrored"})


class SourceFrames(ClipFrames):
    """The clip to redraw, at the new clip's size, length and rate. Its sound goes with what is drawn."""

    name = "source_frames"
    called = "The clip to redraw"
    Params = SourceParams
    params: SourceParams

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return super().describe(inputs).change(sound=inputs[0].sound)

    def made(self, frame: Frames) -> Frames:
        made = super().made(frame)
        return in_mirror(made) if self.params.mirrored else made


class EncodeSourceParams(Params):
    """Nothing to choose."""


class EncodeSource:
    """Frames to latents, by the VAE of the model that will draw: the way back of Decode."""

    name, version, lookback, joins = "encode_source", 1, None, False
    Params = EncodeSourceParams

    def __init__(self, params: EncodeSourceParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="tensors")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        frames = inputs[0].meta.num_frames
        parts: list[np.ndarray] = []
        with ctx.acquire(self.models[0]) as model:
            # A VAE that compresses time must see all frames at once.
            chunks = (chunk.frames for chunk in inputs[0])
            for part in [np.concatenate(list(chunks))] if model.decodes_whole else chunks:
                ctx.step(sum(latents.shape[1] for latents in parts), frames, "frame")
                parts.append(thrifty(model, ctx, partial(model.encode, part)))
        yield TensorChunk({"latents": np.concatenate(parts, axis=1).astype(np.float32)}, 0, frames)
