"""A part of the picture marked in a real browser: by dragging, at any shape of the window, and by typing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from ui.monitor import of_source
from ui.upscale_tab import trial

pytestmark = [pytest.mark.browser]

THEME = ROOT / "assets" / "theme"
WIDTH, HEIGHT = 640, 360


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("region")
    Image.new("RGB", (WIDTH, HEIGHT), (90, 60, 30)).save(folder / "a.png")
    studio = Studio(Settings(data_dir=folder / "data"))
    shown = of_source(studio, studio.add_file(folder / "a.png")).replace("gradio_api/file=", "file://")
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><style>{(THEME / 'studio.css').read_text()}</style>"
        f"<div class='html-container monitor' id='upscale-monitor'>{shown}</div>{trial()}"
        f"<div id='upscale-region'><textarea></textarea></div>"
        f"<script>{(THEME / 'studio.js').read_text()}\n{(THEME / 'region.js').read_text()}</script>"
    )
    return page


@pytest.fixture(params=["1440x900", "500x900"])
def page(request: pytest.FixtureRequest, browser: Any, html: Path) -> Iterator[Any]:
    width, height = map(int, request.param.split("x"))
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(html.as_uri())
    page.wait_for_function("document.querySelector('.media').complete")
    yield page
    context.close()


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture lies in the window."""
    box = page.locator(".media").bounding_box()
    by = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    left, top = box["x"] + (box["width"] - WIDTH * by) / 2, box["y"] + (box["height"] - HEIGHT * by) / 2
    return left + x * by, top + y * by


def drag(page: Any, start: tuple[float, float], stop: tuple[float, float]) -> list[int]:
    page.mouse.move(*place(page, *start))
    page.mouse.down()
    page.mouse.move(*place(page, *stop), steps=3)
    page.mouse.up()
    return [int(part) for part in page.locator("#upscale-region textarea").input_value().split(",") if part.strip()]


def test_dragging_writes_the_part_in_pixels_of_the_clip(page: Any) -> None:
    assert drag(page, (100, 50), (300, 200)) == []  # not asked for: the clip's own controls work
    page.locator("[data-do=mark]").click()
    assert all(abs(a - b) <= 2 for a, b in zip(drag(page, (300, 200), (100, 50)), (100, 50, 200, 150), strict=True))
    page.locator("[data-do=mark]").click()
    x, y, width, height = drag(page, (600, 340), (900, 800))  # beyond the edge
    assert x + width <= WIDTH and y + height <= HEIGHT and width >= 16 and height >= 16
    page.locator("[data-do=mark]").click()
    x, y, width, height = drag(page, (637, 357), (638, 358))
    assert (x + width, y + height, width, height) == (WIDTH, HEIGHT, 16, 16)


def test_what_is_typed_is_drawn_over_the_picture(page: Any) -> None:
    page.locator("#upscale-region textarea").fill("160, 90, 320, 180")
    page.wait_for_selector(".screen .region")
    box, (left, top) = page.locator(".screen .region").bounding_box(), place(page, 160, 90)
    right, bottom = place(page, 480, 270)
    assert abs(box["x"] - left) < 3 and abs(box["y"] - top) < 3
    assert abs(box["x"] + box["width"] - right) < 6 and abs(box["y"] + box["height"] - bottom) < 6
    page.locator("#upscale-region textarea").fill("")
    page.wait_for_selector(".screen .region", state="detached")
