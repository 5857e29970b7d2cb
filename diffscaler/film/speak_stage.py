"""The stage that has a line of scratch dialogue spoken; each line is kept, so only what changes is spoken again."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np
from pydantic import Field

from diffscaler.film.speech import PROGRAM, QUICKEST_WPM, USUAL_WPM, SpeechFailed, Voice, speak, speech_program
from diffscaler.media import Chunk, ClipMeta, Stream, TensorChunk
from diffscaler.stage import ModelRef, Params, StageContext
from diffscaler.video.mix import RATE, Mono, mono_of


class SpeakParams(Params):
    """language, variant, pitch: of the voice; room_s: seconds it has; program: with its version, as sound differs."""

    text: str
    language: str = "en"
    variant: str = ""
    pitch: int = Field(50, ge=0, le=99)
    room_s: float = Field(gt=0)
    program: str


class Speak:
    """Words to "samples", float32 (1, N) in -1..1, without silence before the first, and "rate", how many a second.

    What does not fit its room is spoken faster, up to where it can still be followed; then it goes on beyond.
    """

    name, version, lookback, joins = "speak", 1, None, False
    Params = SpeakParams

    def __init__(self, params: SpeakParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        return ClipMeta(kind="tensors", num_frames=1, duration_s=self.params.room_s)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        ctx.step(0, 1, "line")
        program = speech_program()
        if program is None:
            raise SpeechFailed(f"{PROGRAM} is no longer installed.", "Install it, or make the film with --speech off.")
        p, target = self.params, ctx.scratch / "line.wav"
        said = self._said(program, USUAL_WPM, target)
        if (long := len(said) / RATE / p.room_s) > 1:
            said = self._said(program, min(QUICKEST_WPM, ceil(USUAL_WPM * long * 1.05)), target)
        if (over := len(said) / RATE - p.room_s) > 0.05:
            ctx.note(f"“{p.text[:40]}” is spoken {over:.1f} s longer than its shot lasts.")
        yield TensorChunk({"samples": said[None], "rate": np.array([RATE])}, 0, 1)

    def _said(self, program: Path, wpm: int, target: Path) -> Mono:
        p = self.params
        speak(program, p.text, Voice(p.language, p.variant, p.pitch), wpm, target)
        samples = mono_of(target)
        heard = np.flatnonzero(np.abs(samples) > 0.01)
        return samples[heard[0] : heard[-1] + 1] if len(heard) else samples[:1]
