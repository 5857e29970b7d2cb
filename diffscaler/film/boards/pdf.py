"""A board as a PDF: a row for each shot, its picture on the left and everything that is said of it on the right.

Words are text, not pictures of text: they can be searched and copied. Fonts are those of the machine (film/fonts.py);
only the letters that are used go into the file.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diffscaler.film.boards.panels import BoardPages, Panel, by_scene
from diffscaler.film.fonts import FALLBACKS, font_file, lacking

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN, PICTURE, GAP = 14.0, 76.0, 5.0  # millimetres
INK, FAINT = (20, 20, 20), (110, 110, 110)
FAMILY = "board"

Row = tuple[str, float, tuple[int, int, int]]  # a text, its size in points, its colour


def board_pdf(pages: BoardPages, panels: Sequence[Panel], shape: float = 16 / 9) -> tuple[bytes, str]:
    """(the bytes of a .pdf file, letters that no font here has: they are shown as "?").

    shape: width to height of the pictures
    """
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_margins(MARGIN, MARGIN)
    pdf.set_auto_page_break(True, MARGIN)
    pdf.set_title(pages.title)
    pdf.set_creator("DiffScaler Studio")
    words = _Words(pdf, "".join(_all_words(pages, panels)))
    pdf.add_page()
    frames = sum(panel.frames for panel in panels)
    told = " · ".join(part for part in (pages.author, f"{len(panels)} shots", pages.length(frames)) if part)
    words.write((pages.title, 20, INK))
    words.write((told, 10, FAINT))
    for number, heading, found in by_scene(panels):
        _scene(pdf, words, pages, (number, heading), found, shape)
    return bytes(pdf.output()), words.missing


def _scene(
    pdf: FPDF, words: _Words, pages: BoardPages, named: tuple[str, str], panels: Sequence[Panel], shape: float
) -> None:
    picture_tall = PICTURE / shape
    if pdf.get_y() + 18 + picture_tall > pdf.h - MARGIN:
        pdf.add_page()
    pdf.ln(4)
    pdf.line(MARGIN, pdf.get_y(), pdf.w - MARGIN, pdf.get_y())
    pdf.ln(1.5)
    words.write((f"{named[0]}   {named[1]}", 13, INK))
    if told := pages.synopsis(named[0]):
        words.write((told, 9, FAINT))
    for panel in panels:
        pdf.ln(3)
        rows = list(_rows(pages, panel))
        tall = max(picture_tall, sum(words.height(row) for row in rows))
        if pdf.get_y() + min(tall, pdf.h - 2 * MARGIN) > pdf.h - MARGIN:
            pdf.add_page()
        top, page = pdf.get_y(), pdf.page
        if panel.picture is not None:
            pdf.image(io.BytesIO(panel.picture), MARGIN, top, PICTURE, picture_tall, keep_aspect_ratio=True)
        else:
            pdf.rect(MARGIN, top, PICTURE, picture_tall)
            words.at(MARGIN + 2, top + picture_tall / 2 - 2, ("not drawn yet", 9, FAINT))
        pdf.set_y(top)
        for row in rows:
            words.write(row, MARGIN + PICTURE + GAP)
        if pdf.page == page:
            pdf.set_y(max(pdf.get_y(), top + picture_tall))


def _rows(pages: BoardPages, panel: Panel) -> Iterator[Row]:
    yield panel.name, 11, INK
    yield f"{panel.seen} · {pages.length(panel.frames)}", 8, FAINT
    if edges := " … ".join(text for text in (panel.begins, panel.ends) if text):
        yield edges, 8, FAINT
    if panel.text:
        yield panel.text, 10, INK
    for who, said in panel.dialogue:
        yield f"{who} ({panel.manner})" if panel.manner else who, 8, FAINT
        yield said, 10, INK
    if panel.prompt:
        yield panel.prompt, 8, FAINT
    if panel.note:
        yield panel.note, 9, INK
    if panel.outdated:
        yield f"Outdated. {panel.outdated}", 9, INK


class _Words:
    """Text in fonts that this machine has for its letters, right to left where it is to be read so."""

    def __init__(self, pdf: FPDF, text: str) -> None:
        self.pdf = pdf
        self.missing = self._add_fonts("".join(dict.fromkeys(text)))

    def _add_fonts(self, text: str) -> str:
        """Returns the letters that remain without one."""
        logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells every table it leaves out
        added: list[str] = []
        for name in FALLBACKS:
            path = font_file(name)
            lacks = lacking(name, text) if path else text
            if path is None or (added and len(lacks) == len(text)):
                continue
            family = FAMILY if not added else f"{FAMILY}{len(added)}"
            if self._added(family, path):
                added.append(family)
                text = lacks
            if not text:
                break
        if not added:
            self.pdf.set_font("helvetica")
            return "".join(letter for letter in text if not _is_latin(letter))
        self.pdf.set_font(FAMILY)
        self.pdf.set_fallback_fonts(added[1:], exact_match=False)
        self.pdf.set_text_shaping(True)
        return text

    def _added(self, family: str, path: Path) -> bool:
        """Whether the PDF library can take a font in: another machine's file may be of a kind it does not know."""
        from fontTools.ttLib import TTLibError

        try:
            self.pdf.add_font(family, "", path)
        except (OSError, ValueError, TTLibError):
            return False
        return True

    def write(self, row: Row, x: float = MARGIN) -> None:
        """A paragraph from here to the right border, the next one below it."""
        self.pdf.set_x(x)
        self._set(row)
        self.pdf.multi_cell(self.pdf.w - MARGIN - x, _line(row), self._there(row[0]), align="L", new_x="LMARGIN",
                            new_y="NEXT")  # fmt: skip

    def height(self, row: Row) -> float:
        """Millimetres that a paragraph beside a picture takes."""
        self._set(row)
        width = self.pdf.w - 2 * MARGIN - PICTURE - GAP
        tall = self.pdf.multi_cell(width, _line(row), self._there(row[0]), align="L", dry_run=True, output="HEIGHT")
        return float(tall)

    def at(self, x: float, y: float, row: Row) -> None:
        """A short text on its own."""
        self._set(row)
        self.pdf.set_xy(x, y)
        self.pdf.cell(text=self._there(row[0]))

    def _set(self, row: Row) -> None:
        self.pdf.set_font_size(row[1])
        self.pdf.set_text_color(*row[2])

    def _there(self, text: str) -> str:
        return "".join("?" if letter in self.missing else letter for letter in text)


def _line(row: Row) -> float:
    return row[1] * 0.47


def _is_latin(letter: str) -> bool:
    return letter.isspace() or letter.encode("latin-1", "ignore") != b""


def _all_words(pages: BoardPages, panels: Sequence[Panel]) -> Iterator[str]:
    yield from (pages.title, pages.author, "0123456789.,·…? shotsframenodrawyet")
    for panel in panels:
        yield from (panel.scene, panel.heading, pages.synopsis(panel.scene))
        yield from (text for text, _, _ in _rows(pages, panel))
