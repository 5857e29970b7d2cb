"""Boards: everything the script says is on them, in letters that are there, for any script and any number of shots."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffscaler.film.animatic import placed
from diffscaler.film.boards.page import board_page
from diffscaler.film.boards.panels import BoardPages, Panel, jpeg_of, panels_of
from diffscaler.film.boards.pdf import board_pdf
from diffscaler.film.boards.sheets import contact_sheets
from diffscaler.film.fonts import FALLBACKS, font_file, lacking
from diffscaler.projects.reading import new_project
from diffscaler.requests import ShotRequest
from diffscaler.screenplay.compile import CompiledShot
from tests.video.make import numbered, video

PAGES = BoardPages("The Last Bus & <b>最後</b>", "Zoë", "24")
PICTURE = jpeg_of(np.full((90, 160, 3), (200, 40, 40), np.uint8))
SHOT = Panel("SC1_SH010", "1", "INT. KITCHEN <x> - NIGHT", PICTURE, "wide, low, static", 71, "A dog & a “bus”.",
             prompt="a dog", note="with care")  # fmt: skip
ODD = (
    SHOT,
    replace(SHOT, name="SC1_SH020", picture=None, text="", dialogue=(("MIRA", "<script>alert(1)</script>"),)),
    replace(
        SHOT, name="SC1_SH030", frames=1,
        dialogue=(("ليلى", "انتظر، الحافلة (2) تغادر!"), ("さくら", "待って!これは最後のバス")),
    ),
    replace(SHOT, name="SC2_SH010", scene="2", heading="", dialogue=(("OTTO", "A very long way to go. " * 400),)),
    replace(SHOT, name="SC2_SH020", scene="2", heading="", text="x" * 900, manner="(a)\nb", dialogue=(("A", "B"),)),
)  # fmt: skip


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags, self.addresses = [], [], []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def test_a_page_says_all_of_it_and_loads_nothing() -> None:
    page = Reader()
    page.feed(board_page(PAGES, ODD))
    text = " ".join(page.words)
    for words in (
        "The Last Bus & <b>最後</b>",
        "<script>alert(1)</script>",
        "待って!これは最後のバス",
        "not drawn yet",
        "x" * 900,
    ):
        assert words in text, words[:20]
    assert "script" not in page.tags and "link" not in page.tags and "b" not in page.tags
    assert len(page.addresses) == 4 and all(at.startswith("data:image/jpeg;base64,") for at in page.addresses)
    assert text.count("A very long way to go.") == 400 and "1 frame," in text and "71 frames, 3.0 s" in text


def pages_in(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_a_pdf_takes_any_script_and_runs_over_as_many_pages_as_it_needs() -> None:
    data, missing = board_pdf(PAGES, ODD)
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF") and pages_in(data) >= 3
    there = [name for name in FALLBACKS if font_file(name)]
    everything = "".join(text for panel in ODD for _, text in panel.dialogue)
    for name in there:
        everything = lacking(name, everything)
    assert set(everything) <= set(missing), "only what no font here has is left out, and told"
    assert board_pdf(PAGES, (replace(SHOT, text="\ue123 here"),))[1] == "\ue123"


def test_words_in_a_pdf_are_text() -> None:
    """A character map for every font: they can be searched and copied."""
    data, _ = board_pdf(PAGES, (SHOT,))
    streams = [zlib.decompressobj() for _ in range(data.count(b"stream\n"))]
    bodies = re.findall(rb"(?<!end)stream\r?\n(.*?)endstream", data, re.DOTALL)
    found = []
    for body, stream in zip(bodies, streams, strict=False):
        try:
            found.append(stream.decompress(body))
        except zlib.error:
            found.append(body)
    assert any(b"begincmap" in one for one in found) or b"Helvetica" in data


def test_two_hundred_shots_without_a_picture_are_a_board() -> None:
    many = [replace(SHOT, name=f"SC1_SH{n}0", picture=None, text=f"A dog. {n}") for n in range(200)]
    data, _ = board_pdf(PAGES, many)
    assert pages_in(data) > 30
    assert board_page(PAGES, many).count("not drawn yet") == 200
    sheets = list(contact_sheets(PAGES, many, 16 / 9))
    assert [name for name, _ in sheets] == ["SC1", *(f"SC1-{n}" for n in range(2, 10))]


def test_a_contact_sheet_has_every_picture_in_its_shape() -> None:
    panels = [replace(SHOT, name=f"SC1_SH0{n}0") for n in range(5)] + [replace(SHOT, scene="2", picture=None)]
    (one, sheet), (two, other) = contact_sheets(PAGES, panels, 16 / 9)
    assert (one, two) == ("SC1", "SC2") and sheet.width > other.width
    red = np.asarray(sheet)[..., 0] > 150
    assert red.sum() == pytest.approx(5 * 320 * 180, rel=0.15)
    assert (np.asarray(other)[..., 0] > 150).sum() < 4000, "an empty place, and words"


@pytest.mark.parametrize("wrong", ["broken", "short", "gone"])
def test_a_clip_that_cannot_be_read_leaves_its_panel_empty_and_is_told(tmp_path: Path, wrong: str) -> None:
    good, bad = video(tmp_path / "good.mp4", numbered(12)), tmp_path / "bad.mp4"
    if wrong == "short":
        video(bad, numbered(2))
    elif wrong == "broken":
        bad.write_bytes(b"no clip at all")
    film = new_project("INT. A - DAY\n\n> ONE <\n\n> TWO <\n", "x")
    shots = [replace(shot, frames=12) for shot in film.board.shots[1:]]
    made = [CompiledShot(shot, ShotRequest(name=shot.name, card="x", frames=12)) for shot in shots]
    told: list[str] = []
    one, two = panels_of(placed(made, shots), {shots[0].id: bad, shots[1].id: good}, told.append)
    assert one.picture is None and two.picture is not None
    assert len(told) == 1 and told[0].startswith("The panel of SC1_SH020 is empty. ") and "bad.mp4" in told[0]


def test_a_picture_on_a_board_is_small_and_whole() -> None:
    with Image.open(io.BytesIO(jpeg_of(np.zeros((1080, 1920, 3), np.uint8)))) as picture:
        assert picture.size == (640, 360)
