"""The three stages from words to frames. Each one's result is kept, so a new seed does not read the prompt again and a
new delivery does not draw again."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from diffscaler.errors import NotEnoughRoom
from diffscaler.media import Chunk, ClipMeta, FrameChunk, Kind, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.text2video.mirror import in_mirror
from diffscaler.text2video.plate import seen, width_px
from diffscaler.text2video.strength import first_step

if TYPE_CHECKING:
    from diffscaler.text2video.family import Family

Made = TypeVar("Made")

# Frames of the unfinished clip shown at each step: enough to see it move, cheap enough not to slow it.
PREVIEW_FRAMES = 4
# A small model's steps are so short that showing each would take longer than drawing it.
PREVIEW_EVERY_S = 0.7


class EncodeTextParams(Params):
    """What is wanted, and what must not appear. lora_scales: strengths of the LoRAs among the models, in order;
    pans: whether a camera that is to pan can be moved over a plate (plate.py)."""

    prompt: str
    negative_prompt: str = ""
    lora_scales: tuple[float, ...] = ()
    pans: bool = True
    later: ClassVar[frozenset[str]] = frozenset({"pans"})


class EncodeText:
    """Words to embeddings."""

    name, version, lookback, joins = "encode_text", 3, None, False
    Params = EncodeTextParams

    def __init__(self, params: EncodeTextParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        ctx.step(0, 1, "prompt")
        with ctx.acquire(self.models[0]) as model, with_loras(model, ctx, self.models[1:], self.params.lora_scales):
            if reading := model.read(self.params.prompt):
                for note in reading.notes(self.models[0].name):
                    ctx.note(note)
                if reading.pan and not self.params.pans:
                    ctx.note(
                        "The camera stands still: it pans only in clips drawn from words alone, every step of them."
                    )
            if model.note:
                ctx.note(model.note)
            given = self.params.negative_prompt
            if given and (unwanted := model.read(given)) and unwanted.heard != given:
                ctx.note(f"{self.models[0].name} reads the negative prompt as {unwanted.heard or 'nothing'!r}.")
            yield TensorChunk(model.encode_text(self.params.prompt, self.params.negative_prompt))


class Shaped(Params):
    """Size in pixels, length and rate of a clip to draw; fps: a fraction, e.g. "8" or "24000/1001"."""

    width: int
    height: int
    num_frames: int
    fps: str = "8"


class DenoiseParams(Shaped):
    """As in family.Sampling. mirrored: the clip will be shown in the mirror, and so are its previews; pan_px: before
    that."""

    num_inference_steps: int
    guidance_scale: float
    seed: int
    scheduler: str = "native"
    guidance_rescale: float = 0.0
    shared_noise: float | None = None
    window: int = 0
    overlap: int = 0
    reuse: str = "off"
    lora_scales: tuple[float, ...] = ()

    control_scale: float = 0.0
    control_start: float = 0.0
    control_end: float = 1.0
    strength: float = 1.0
    reference_scale: float = 0.0
    free_init: int = 0
    free_init_filter: str = "butterworth"
    mirrored: bool = False
    smooth_background: float = 0.0
    pan_px: int = 0

    later: ClassVar[frozenset[str]] = frozenset(
        {"strength", "reference_scale", "free_init", "free_init_filter", "smooth_background", "mirrored", "pan_px"}
    )

    @property
    def steps_taken(self) -> int:
        return self.num_inference_steps - first_step(self.num_inference_steps, self.strength)


#: What is said to the models beside the one that draws.
ABOUT_OTHERS = {"fps", "mirrored", "lora_scales", "control_scale", "control_start", "control_end", "reference_scale"}


class Denoise:
    """Embeddings, a picture to start from, a clip to redraw or to follow, to latents, by sampling from the model.

    Inputs, in this order and each of them if there is one: text embeddings (kind "tensors"), a still picture, latents
    of a clip to redraw (kind "tensors"; `strength` says how far), what an image encoder saw in a reference picture
    (kind "tensors"), frames for a ControlNet (control_scale is not 0 then).
    Models: the one that draws, its LoRAs, an IP-Adapter for the reference picture, the ControlNet, a segmenter
    that tells what is in front of a background to be smoothed.
    """

    name, version, lookback, joins = "denoise", 3, None, False
    Params = DenoiseParams

    def __init__(self, params: DenoiseParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models
        passes = (params.free_init + 1) * (2 if params.smooth_background else 1)
        # A plate is drawn whole, and its middle once more.
        wide = width_px(params.width, params.num_frames, params.pan_px) / params.width
        passes *= 1 + wide if params.pan_px else 1
        self.effort = max(1, params.steps_taken) * passes * (2 if params.guidance_scale > 1 else 1)

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        # Only a clip to redraw brings sound along: the new one has its moments at the same times.
        sound = next((meta.sound for meta in inputs if meta.sound), None)
        return asked_for(self.params, "tensors").change(sound=sound)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.text2video.family import Control, Reference, Sampling, denoised, spread
        from diffscaler.text2video.tape import Tape, taped

        text, picture, redrawn, looks, follow = {}, None, None, None, None
        led = self.params.control_scale > 0
        for source in inputs:
            chunks = list(source)
            if isinstance(chunks[0], TensorChunk) and "latents" in chunks[0].tensors:
                redrawn = chunks[0].tensors["latents"]
            elif isinstance(chunks[0], TensorChunk) and "image_embeds" in chunks[0].tensors:
                looks = chunks[0].tensors
            elif isinstance(chunks[0], TensorChunk):
                text = chunks[0].tensors
            elif led and source is inputs[-1]:
                follow = np.concatenate([chunk.frames for chunk in chunks])
            else:
                picture = fitted(chunks[0].frames[0], self.params.width, self.params.height)
        if picture is not None:
            ctx.preview(picture[None])
        given = self.params.model_dump(exclude=ABOUT_OTHERS)
        sampling = Sampling(**given, fps=float(Fraction(self.params.fps)), picture=picture, source=redrawn)
        loras = self.models[1 : 1 + len(self.params.lora_scales)]
        others = self.models[1 + len(loras) :]
        with ExitStack() as lent:
            model = lent.enter_context(ctx.acquire(self.models[0]))
            lent.enter_context(with_loras(model, ctx, loras, self.params.lora_scales))
            if looks is not None:
                adapter = lent.enter_context(ctx.acquire(others[0]))
                sampling = replace(sampling, reference=Reference(adapter, looks, self.params.reference_scale))
                ctx.note(f"IP-Adapter: {others[0].name} at {self.params.reference_scale:g}")
            if follow is not None:
                net, given = lent.enter_context(ctx.acquire(others[-1])), self.params
                control = Control(net, follow, given.control_scale, given.control_start, given.control_end)
                sampling = replace(sampling, control=control)
            if share := self.params.smooth_background:
                from diffscaler.text2video.foreground import BorderContrast

                finder = lent.enter_context(ctx.acquire(others[-1])) if others else BorderContrast()
                sampling = replace(sampling, foreground=finder)
                ctx.note(f"Background smoothed at {share:g}; in front of it: {finder.name}.")
            shown_at = 0.0

            def on_step(done: int, total: int, clean: np.ndarray) -> None:
                nonlocal shown_at
                ctx.step(done, total, "step")
                if time.monotonic() - shown_at < PREVIEW_EVERY_S:
                    return
                shown, length = model.preview(clean, PREVIEW_FRAMES), self.params.num_frames
                shown = seen(shown, spread(length, len(shown)), self.params.width, length, self.params.pan_px)
                ctx.preview(in_mirror(shown) if self.params.mirrored else shown)
                shown_at = time.monotonic()

            if model.frugal:
                at_once = self.params.window or self.params.num_frames
                wide = width_px(self.params.width, self.params.num_frames, self.params.pan_px)
                model.frugal.ahead((wide, self.params.height, at_once))
            if model.frugal and model.frugal.words:
                ctx.note(f"To fit the memory, {model.frugal.words}.")
            if redrawn is not None:
                ctx.note(redrawn_words(self.params))
            if passes := self.params.free_init:
                ctx.note(f"FreeInit: refined in {passes} more pass{'es' if passes > 1 else ''}.")
            if self.params.reuse != "off":
                ctx.note("Results of some steps were used twice: a quick look, not a final.")

            def draw() -> dict[str, np.ndarray]:
                if self.params.reuse != "off":  # what the network keeps from step to step is not on a tape
                    return denoised(model, text, sampling, on_step)
                tape = Tape(ctx.unfinished)
                with taped(tape, model, sampling.control and sampling.control.controlnet):
                    latents = denoised(model, text, sampling, on_step)
                self.effort *= tape.share_asked
                return latents

            latents = thrifty(model, ctx, draw)
        parts = {name: part.astype(np.float32) for name, part in latents.items()}
        yield TensorChunk(parts, 0, self.params.num_frames)


def redrawn_words(params: DenoiseParams) -> str:
    """What is told about a clip that was redrawn."""
    taken, total = params.steps_taken, params.num_inference_steps
    if taken == 0:
        return f"At strength {params.strength:g} no step of {total} is taken: this is the clip as the model stores it."
    if taken == total:
        return f"At strength {params.strength:g} nothing of the clip to redraw is left."
    return f"A clip was redrawn at strength {params.strength:g}: {taken} of {total} steps."


@contextmanager
def with_loras(
    model: Family, ctx: StageContext, refs: tuple[ModelRef, ...], scales: tuple[float, ...]
) -> Generator[None, None, None]:
    """Inside, the model has the changes of its LoRAs. Raises InvalidRequest when one does not fit."""
    if not refs:
        yield
        return
    from diffscaler.text2video.lora import adapted

    with ExitStack() as lent:
        found = [lent.enter_context(ctx.acquire(ref)) for ref in refs]
        loras = [replace(lora, scale=scale) for lora, scale in zip(found, scales, strict=True)]
        lent.enter_context(adapted(model.pipeline, loras))
        ctx.note("LoRA: " + ", ".join(f"{lora.name} at {lora.scale:g}" for lora in loras))
        yield


def thrifty(model: Family, ctx: StageContext, work: Callable[[], Made]) -> Made:
    """work(), and again one rung down the ladder of models/fit.py each time that memory runs out.

    Raises NotEnoughRoom when the last rung does not help.
    """
    from diffscaler.models.fit import RUNG_WORDS
    from diffscaler.text2video.frugal import ran_out_of_memory

    while True:
        try:
            return work()
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            # The traceback holds the tensors that did not fit.
            error.__traceback__ = None
            rung = model.frugal.step_down() if model.frugal else None
            if rung is None:
                raise NotEnoughRoom(
                    "The memory is not enough for this clip.", "Ask for a smaller size, fewer frames or another model."
                ) from None
            ctx.note(f"Memory ran out; from then on {RUNG_WORDS[rung]}.")


def asked_for(params: Shaped, kind: Kind) -> ClipMeta:
    """The facts of a clip that has the size, length and rate asked for."""
    fps, frames = Fraction(params.fps), params.num_frames
    return ClipMeta(
        kind=kind,
        width=params.width,
        height=params.height,
        num_frames=frames,
        fps=fps,
        duration_s=float(frames / fps),
        still=frames == 1,
    )


def fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture, uint8 RGB, scaled to cover width x height, its middle kept."""
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS))


class DecodeParams(Params):
    """mirrored: what was drawn is shown in the mirror (mirror.py); steady: in 8-bit levels, see steady.py, 0: off;
    pan_px: by how much the view moves to the right from frame to frame, before the mirror (plate.py)."""

    mirrored: bool = False
    steady: float = 0.0
    pan_px: int = 0
    later: ClassVar[frozenset[str]] = frozenset({"mirrored", "steady", "pan_px"})


class Decode:
    """Latents to frames."""

    name, version, lookback, joins = "decode", 2, 0, False
    Params = DecodeParams

    def __init__(self, params: DecodeParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return inputs[0].change(kind="frames")

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        from diffscaler.text2video.steady import REACH, steadied

        meta = inputs[0].meta
        chunks = list(inputs[0])
        latents = chunks[0].tensors["latents"]
        reach = REACH if self.params.steady else 0
        with ctx.acquire(self.models[0]) as model:
            # A VAE that compresses time makes all frames at once, or none.
            whole = thrifty(model, ctx, lambda: model.decode(latents)) if model.decodes_whole else None
            for start in range(ctx.start, meta.num_frames, meta.chunk_frames):
                # With the neighbours that steadying looks at, so that no frame depends on how the clip is cut.
                before = min(start, reach)
                part = slice(start - before, start + meta.chunk_frames + reach)
                own = np.ascontiguousarray(latents[:, part])
                frames = whole[part] if whole is not None else thrifty(model, ctx, partial(model.decode, own))
                frames = steadied(frames, self.params.steady)[before:][: meta.chunk_frames]
                indices = range(start, start + len(frames))
                frames = seen(frames, indices, meta.width, meta.num_frames, self.params.pan_px)
                if self.params.mirrored:
                    frames = in_mirror(frames)
                ctx.step(start + len(frames), meta.num_frames, "frame")
                times = np.arange(start, start + len(frames)) / float(meta.fps)
                yield FrameChunk(frames, start, times)
