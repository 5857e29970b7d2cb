"""Before and after in a real browser: two clips of different sizes, rates and lengths play in step under a wipe."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from tests.video.make import numbered
from tests.video.make import video as make_video
from ui.wipe import compared

pytestmark = [pytest.mark.browser]

FRAME_S = 1 / 24
THEME = ROOT / "assets" / "theme"
APART = (
    "(() => { const [a, b] = document.querySelectorAll('video'); return Math.abs(a.currentTime - b.currentTime); })()"
)
TIMES = "[...document.querySelectorAll('video')].map(v => v.currentTime)"
AT = "parseFloat(getComputedStyle(document.querySelector('.synced')).getPropertyValue('--at'))"


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wipe")
    studio = Studio(Settings(data_dir=folder / "data"))
    before = studio.add_file(make_video(folder / "before.mp4", numbered(144, 90, 160), fps=Fraction(24)))
    after = studio.add_file(make_video(folder / "after.mp4", numbered(288, 360, 640), fps=Fraction(48)))
    text = compared(studio, before, after, wipe=True).replace("gradio_api/file=", "file://")
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><style>{(THEME / 'studio.css').read_text()}</style>"
        f"<div class='html-container monitor'><div class='screen' style='height:420px'>{text}</div></div>"
        f"<script>{(THEME / 'studio.js').read_text()}\n{(THEME / 'wipe.js').read_text()}</script>"
    )
    return page


@pytest.fixture(params=["1440x900", "390x844"])
def page(request: pytest.FixtureRequest, browser: Any, html: Path) -> Iterator[Any]:
    width, height = map(int, request.param.split("x"))
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=width < 500)
    page = context.new_page()
    page.goto(html.as_uri())
    page.wait_for_function(
        "[...document.querySelectorAll('video')].every(v => v.readyState >= 3 && v.currentTime > 0.3)"
    )
    yield page
    context.close()


def worst(page: Any, looks: int = 12) -> float:
    """How far apart the clips are at worst, in seconds, looked at ten times a second."""
    apart = []
    for _ in range(looks):
        page.wait_for_timeout(100)
        apart.append(page.evaluate(APART))
    return max(apart)


def settled(page: Any) -> None:
    page.wait_for_function(f"{APART} < {FRAME_S / 2} && ![...document.querySelectorAll('video')].some(v => v.seeking)")


def test_both_play_in_step_and_stay_so_after_pause_jump_and_drag(page: Any) -> None:
    settled(page)
    assert worst(page) < FRAME_S
    page.locator(".play").click()
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.paused)")
    settled(page)
    assert page.locator(".play").inner_text() == "play"
    # the second one is thrown off by two seconds, as a stalled network does
    page.locator(".play").click()
    page.evaluate("document.querySelectorAll('video')[1].currentTime += 2")
    page.wait_for_timeout(300)
    settled(page)
    assert worst(page) < FRAME_S
    # the position is dragged
    box = page.locator(".scrub").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    settled(page)
    lead, other = page.evaluate(TIMES)
    assert lead == pytest.approx(6 * 0.7, abs=0.4) and abs(lead - other) < FRAME_S


def test_the_line_is_moved_by_pointer_and_by_keys_and_the_clips_play_on(page: Any) -> None:
    box = page.locator(".synced").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(640 / 360, rel=0.01)  # else the halves do not meet
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=5)
    page.mouse.up()
    assert page.evaluate(AT) == pytest.approx(25, abs=1)
    page.mouse.move(box["x"] + box["width"] * 0.9, middle)
    assert page.evaluate(AT) == pytest.approx(25, abs=1)  # let go is let go
    edge = page.locator(".edge")
    assert edge.evaluate("e => e === document.activeElement")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(AT) == pytest.approx(30, abs=1)
    assert edge.get_attribute("aria-valuetext").startswith("30 % before")
    assert not page.evaluate("document.querySelector('video').paused")
    page.keyboard.press("Space")
    page.wait_for_function("[...document.querySelectorAll('video')].every(v => v.paused)")
    settled(page)
    page.keyboard.press("Home")
    assert page.evaluate(AT) == 0


def test_a_finger_moves_the_line(page: Any) -> None:
    box = page.locator(".synced").bounding_box()
    for kind, share in (("pointerdown", 0.5), ("pointermove", 0.8), ("pointerup", 0.8)):
        page.evaluate(
            "([kind, x, y]) => document.elementFromPoint(x, y).dispatchEvent(new PointerEvent(kind, {bubbles: true,"
            " cancelable: true, pointerId: 1, pointerType: 'touch', button: 0, clientX: x, clientY: y}))",
            [kind, box["x"] + box["width"] * share, box["y"] + box["height"] / 3],
        )
    assert page.evaluate(AT) == pytest.approx(80, abs=1)


def test_side_by_side_is_one_press_away_and_back(page: Any) -> None:
    page.locator(".view-as").click()
    left, right = (figure.bounding_box() for figure in page.locator("figure").all())
    assert left["x"] + left["width"] <= right["x"] + 1 and not page.locator(".grip").is_visible()
    settled(page)
    page.locator(".view-as").click()
    left, right = (figure.bounding_box() for figure in page.locator("figure").all())
    assert left == right
