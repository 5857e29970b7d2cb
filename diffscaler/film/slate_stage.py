"""The stage that draws a slate or the card of a scene: a title, and rows of what it is called and what it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from diffscaler.film.card_stage import card_chunks
from diffscaler.film.fit_stage import shot_meta
from diffscaler.film.lettering import LINE_HEIGHT, fitted, write_lines
from diffscaler.media import Chunk, ClipMeta, Frames, Stream
from diffscaler.stage import ModelRef, Params, StageContext

GROUND, NAMES, WORDS = (24, 24, 26), (150, 150, 155), (240, 240, 240)
#: Of the frame: its border, the title's letters and the room for them, the rows' letters, the column of names.
BORDER, TITLE, TITLE_ROOM, ROW, COLUMN = 0.07, 0.11, 0.3, 0.055, 0.24


class SlateParams(Params):
    """title; rows: (name, value); num_frames, fps ("24000/1001"), width, height in pixels: of the film's shot"""

    title: str
    rows: tuple[tuple[str, str], ...]
    num_frames: int
    fps: str
    width: int
    height: int


class Slate:
    """Words on a slate; no model draws it."""

    name, version, lookback, joins = "slate", 1, 0, False
    Params = SlateParams

    def __init__(self, params: SlateParams, models: tuple[ModelRef, ...]) -> None:
        self.params, self.models = params, models

    def describe(self, inputs: tuple[ClipMeta, ...]) -> ClipMeta:
        p = self.params
        return shot_meta(p.num_frames, Fraction(p.fps), p.width, p.height)

    def run(self, inputs: tuple[Stream, ...], ctx: StageContext) -> Iterator[Chunk]:
        p = self.params
        picture, missing = drawn_slate(p.title, p.rows, p.width, p.height)
        yield from card_chunks(picture, missing, self.describe(()), ctx)


def drawn_slate(title: str, rows: tuple[tuple[str, str], ...], width: int, height: int) -> tuple[Frames, str]:
    """(uint8 RGB (height, width, 3), letters that could not be drawn). width, height: pixels"""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(picture)
    left, inside = width * BORDER, width * (1 - 2 * BORDER)
    letters, lines = fitted(title, inside, height * TITLE_ROOM, round(height * TITLE))
    y = write_lines(draw, letters, lines, left, height * BORDER, WORDS) + height * BORDER / 2
    missing = letters.missing
    room = height * (1 - BORDER) - y
    size = round(height * ROW)
    while True:  # all rows in letters of one size
        blocks = [fitted(value, inside * (1 - COLUMN), height, size) for _, value in rows]
        tall = sum(max(1, len(lines)) * letters.size_px * LINE_HEIGHT for letters, lines in blocks)
        if tall <= room or size <= 7:
            break
        size -= 1
    for (name, _), (letters, lines) in zip(rows, blocks, strict=True):
        if y + letters.size_px > height * (1 - BORDER / 2):
            break
        named, line = fitted(name, inside * COLUMN * 0.94, letters.size_px * LINE_HEIGHT, letters.size_px)
        write_lines(draw, named, line[:1], left, y, NAMES)
        y = write_lines(draw, letters, lines or [""], left + inside * COLUMN, y, WORDS)
        missing += "".join(letter for letter in letters.missing if letter not in missing)
    return np.asarray(picture), missing
