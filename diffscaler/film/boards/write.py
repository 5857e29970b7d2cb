"""Boards as files in a film's folder."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from diffscaler.film.boards.page import board_page
from diffscaler.film.boards.panels import BoardPages, Panel
from diffscaler.film.boards.pdf import board_pdf
from diffscaler.film.boards.sheets import contact_sheets
from diffscaler.film.folder import FilmFolder

BoardName = Literal["pdf", "html", "sheet"]
SHEET_QUALITY = 90


def write_boards(
    names: Sequence[BoardName],
    folder: FilmFolder,
    pages: BoardPages,
    panels: Sequence[Panel],
    shape: float,
    note: Callable[[str], None],
) -> list[Path]:
    """Write board.pdf, board.html, and a sheet-SC1.jpg for every scene; returns the files.

    shape: width to height of the film's pictures; note: told of letters that no font here has
    """
    written: list[Path] = []
    if "html" in names:
        written.append(folder.put_bytes(board_page(pages, panels, shape).encode(), folder.boards / "board.html"))
    if "pdf" in names:
        data, missing = board_pdf(pages, panels, shape)
        if missing:
            note(f"No font here draws {missing} in the PDF: install DejaVu Sans or Noto Sans.")
        written.append(folder.put_bytes(data, folder.boards / "board.pdf"))
    if "sheet" in names:
        for name, sheet in contact_sheets(pages, panels, shape):
            out = io.BytesIO()
            sheet.save(out, "JPEG", quality=SHEET_QUALITY)
            safe = re.sub(r"[^\w.-]+", "_", name)
            written.append(folder.put_bytes(out.getvalue(), folder.boards / f"sheet-{safe}.jpg"))
    return written
