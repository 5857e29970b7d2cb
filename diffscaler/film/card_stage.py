"""The stage that draws a title: white letters in the middle of black, for as long as the shot lasts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from pydantic import Field

from diffscaler.film.fit_stage import shot_chunk, shot_meta
from diffscaler.film.fonts import font_for
from diffscaler.media import Chunk, ClipMeta, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext

#: Of the frame's height, and of its width that lines may take.
LETTERS, MEASURE = 0.085, 0.8


class TitleCardParams(Params):
    """text: on one line or several; num_frames, fps ("24000/1001"), width, height in pixels: of the film's shot."""

    text: str
    num_frames: int = Field(ge=1)
    fps: str
    width: int = Field(ge=2)
    height: int = Field(ge=2)


class TitleCard:
    """Words on a card; no model draws it."""

    name, version, lookback, joins = "title_card", 1, 0, False
    Params = TitleCardParams

    def __init__(self, params: TitleCardParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p = self.params
        return shot_meta(p.num_frames, Fraction(p.fps), p.width, p.height)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        meta = self.describe(())
        card, missing = drawn_card(self.params.text, meta.width, meta.height)
        if missing:
            ctx.note(f"No font here draws {missing}: install DejaVu Sans, or a font with these letters in its place.")
        for start in range(ctx.start, meta.num_frames, meta.chunk_frames):
            count = min(meta.chunk_frames, meta.num_frames - start)
            ctx.step(start + count, meta.num_frames, "frame")
            yield shot_chunk([card] * count, start, meta)


def drawn_card(text: str, width: int, height: int) -> tuple[Frames, str]:
    """(uint8 RGB (height, width, 3), letters that could not be drawn). width, height: pixels"""
    from PIL import Image, ImageDraw

    font, missing = font_for(text, max(8, round(height * LETTERS)))
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width * MEASURE:
            lines[-1] = longer
        else:
            lines.append(word)
    picture = Image.new("RGB", (width, height))
    at = (width / 2, height / 2)
    ImageDraw.Draw(picture).multiline_text(at, "\n".join(lines), font=font, anchor="mm", align="center")
    return np.asarray(picture), missing
