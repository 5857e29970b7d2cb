"""The stage that draws a title: white letters in the middle of black, for as long as the shot lasts."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from pydantic import Field

from diffscaler.film.fit_stage import shot_chunk, shot_meta
from diffscaler.film.lettering import LINE_HEIGHT, fitted, write_lines
from diffscaler.media import Chunk, ClipMeta, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext

#: Of the frame's height; and of its width and height that lines may take.
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

    name, version, lookback, joins = "title_card", 2, 0, False
    Params = TitleCardParams

    def __init__(self, params: TitleCardParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p = self.params
        return shot_meta(p.num_frames, Fraction(p.fps), p.width, p.height)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        meta = self.describe(())
        card, missing = drawn_card(self.params.text, meta.width, meta.height)
        yield from card_chunks(card, missing, meta, ctx)


def card_chunks(card: Frames, missing: str, meta: ClipMeta, ctx: StageContext) -> Iterator[Chunk]:
    """One picture for as long as a clip lasts. missing: letters that could not be drawn on it"""
    if missing:
        ctx.note(
            f"No font here draws {missing}: install DejaVu Sans or Noto Sans, or put other letters in their place."
        )
    for start in range(ctx.start, meta.num_frames, meta.chunk_frames):
        count = min(meta.chunk_frames, meta.num_frames - start)
        ctx.step(start + count, meta.num_frames, "frame")
        yield shot_chunk([card] * count, start, meta)


def drawn_card(text: str, width: int, height: int) -> tuple[Frames, str]:
    """(uint8 RGB (height, width, 3), letters that could not be drawn). width, height: pixels"""
    from PIL import Image, ImageDraw

    letters, lines = fitted(text, width * MEASURE, height * MEASURE, max(8, round(height * LETTERS)))
    picture = Image.new("RGB", (width, height))
    top = (height - len(lines) * letters.size_px * LINE_HEIGHT) / 2
    write_lines(ImageDraw.Draw(picture), letters, lines, width / 2, top, align="centre")
    return np.asarray(picture), letters.missing
