"""Contact sheets: the pictures of a scene at a glance."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from diffscaler.film.boards.panels import BoardPages, Panel, by_scene
from diffscaler.film.lettering import fitted, write_lines

COLUMNS, MOST = 4, 24
WIDTH, GAP, NAME, HEAD = 320, 16, 40, 56
GROUND, EMPTY, WORDS, FAINT = (24, 24, 26), (45, 45, 48), (235, 235, 235), (165, 165, 170)


def contact_sheets(pages: BoardPages, panels: Sequence[Panel], shape: float) -> Iterator[tuple[str, Any]]:
    """(a name like "SC1" or "SC1-2", a Pillow picture) for every scene, of at most 24 shots each.

    shape: width to height of the pictures
    """
    for number, heading, found in by_scene(panels):
        for part, start in enumerate(range(0, len(found), MOST), 1):
            name = f"SC{number}" if part == 1 else f"SC{number}-{part}"
            yield name, _sheet(f"{number}  {heading}", pages, found[start : start + MOST], shape)


def _sheet(title: str, pages: BoardPages, panels: Sequence[Panel], shape: float) -> Any:
    from PIL import Image, ImageDraw, ImageOps

    columns, tall = min(COLUMNS, max(2, len(panels))), round(WIDTH / shape)
    rows = -(-len(panels) // columns)
    size = (columns * (WIDTH + GAP) + GAP, HEAD + rows * (tall + NAME + GAP))
    sheet = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(sheet)
    letters, lines = fitted(title, size[0] - 2 * GAP, HEAD - GAP, 22)
    write_lines(draw, letters, lines, GAP, GAP, WORDS)
    for index, panel in enumerate(panels):
        x, y = GAP + index % columns * (WIDTH + GAP), HEAD + index // columns * (tall + NAME + GAP)
        draw.rectangle((x, y, x + WIDTH - 1, y + tall - 1), EMPTY)
        if panel.picture is not None:
            with Image.open(io.BytesIO(panel.picture)) as picture:
                shown = ImageOps.contain(picture, (WIDTH, tall), Image.Resampling.LANCZOS)
            sheet.paste(shown, (x + (WIDTH - shown.width) // 2, y + (tall - shown.height) // 2))
        told = f"{panel.seen.partition(',')[0]}, {pages.length(panel.frames)}"
        for line, fill, top in ((f"{panel.name}{', outdated' if panel.outdated else ''}", WORDS, 2), (told, FAINT, 20)):
            letters, lines = fitted(line, WIDTH, 18, 13)
            write_lines(draw, letters, lines, x, y + tall + top, fill)
    return sheet
