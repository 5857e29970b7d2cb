"""From a script to an animatic by hand: drop it, edit, preview, circle, change the script, watch, take it home."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from diffscaler.film.cards import SCENE_S
from tests.browser.test_studio import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG_MS = 180_000
LEFT = {"x": 10, "y": 60}
SCRIPT = "Title: Dog at Night\n\nINT. KITCHEN - NIGHT\n\nA dog sleeps.\n\n> THE END <\n"


@pytest.fixture(scope="module")
def studio(browser: Any, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    return Page(page, address).open()


def made(page: Any) -> None:
    """Wait until nothing of the film is drawn any more and every card has a picture."""
    page.wait_for_function(
        "(() => { const go = document.querySelector('#storyboard-go');"
        " const shots = [...document.querySelectorAll('#board section.scene .shot')];"
        " return go && go.offsetParent && shots.length && shots.every(s => s.querySelector('img')); })()",
        timeout=LONG_MS,
    )


def shots(page: Any, count: int) -> None:
    """Wait until so many are on the board; what was taken out of it lies below."""
    page.wait_for_function(f"document.querySelectorAll('#board section.scene .shot').length === {count}")


def test_a_script_becomes_an_animatic_by_hand(studio: Page, tmp_path: Path) -> None:
    page = studio.page
    studio.tab("Storyboard")
    page.locator("#FilmSettings-model").wait_for()
    (tmp_path / "dog.fountain").write_text(SCRIPT)
    page.set_input_files("#script-drop input[type=file]", tmp_path / "dog.fountain")
    page.wait_for_selector("#board .shot")
    assert page.locator("#board .shot").count() == 3
    assert "KITCHEN" in page.locator("#outline .scenes").inner_text()

    # The establishing shot is taken out; the keyboard brings it back and takes it out again.
    page.locator("#board .shot .frame").first.click()
    page.locator("#shot-tools [data-do=out]").click()
    shots(page, 2)
    page.keyboard.press("Control+z")
    shots(page, 3)
    page.keyboard.press("Control+Shift+z")
    shots(page, 2)

    # The card is dragged before the dog, whose prompt and length are edited; a short shot is made sooner.
    page.locator("#board .shot .grip").nth(1).drag_to(page.locator("#board .shot").first, target_position=LEFT)
    page.wait_for_function("document.querySelector('#board .says').innerText === 'THE END'")
    page.locator("#board .shot .frame").nth(1).click()
    page.wait_for_selector("#board .shot:nth-of-type(2).open")
    page.locator("#shot-frames input").fill("12")
    page.keyboard.press("Tab")
    page.locator("#shot-prompt textarea").fill("A cat on a road. <b>wide</b>")
    page.keyboard.press("Tab")
    page.wait_for_function(
        "(() => { const dog = document.querySelectorAll('#board .shot')[1].innerText;"
        " return dog.includes('<b>wide</b>') && dog.includes('12 f'); })()"
    )

    page.wait_for_function("document.querySelector('#storyboard-go').innerText.includes('about')")
    page.locator("#storyboard-go").click()
    page.wait_for_selector("#board .take", state="attached")
    made(page)
    assert page.locator("#board .take.made").count() == 2

    # A take is circled, and stays so.
    page.locator("#board .take").last.click()
    page.wait_for_selector("#board .take[aria-pressed=true]")

    # The script changes: the shot of that line is marked with it, and nothing is lost.
    page.locator("#script-page .label-wrap").click()
    page.locator("#script textarea").fill(SCRIPT.replace("A dog sleeps.", "A white dog sleeps."))
    page.locator("#script-read").click()
    page.wait_for_selector("#board .shot.stale .why")
    assert "is now “A white dog sleeps.”" in page.locator("#board .shot.stale .why").inner_text()
    assert page.locator("#board .take.made").count() == 2

    # A reload finds film, shot and marks again.
    studio.open(ready="#storyboard-go")
    page.wait_for_selector("#board .shot.stale")
    page.wait_for_selector("#shot-takes video")
    assert page.locator("#board .take[aria-pressed=true]").count() == 1

    # What is delivered shows how far it is, and can be stopped; asked for again it goes on.
    page.locator("#film-deliver .label-wrap").click()
    page.locator("#film-deliver-go").click()
    page.wait_for_selector("#film-links [role=progressbar]")
    page.locator("#film-links [data-do=stop]").click()
    page.wait_for_function("document.querySelector('#film-links').innerText.includes('Stopped.')")
    assert page.locator("#film-links a").count() == 0 and page.locator("#film-monitor video").count() == 0
    page.locator("#film-go").click()
    page.wait_for_selector("#film-monitor video", timeout=LONG_MS)
    page.wait_for_function("document.querySelector('#film-monitor video').readyState >= 2")
    seconds = page.evaluate("document.querySelector('#film-monitor video').duration")
    card_s = float(page.locator("#board .tc").first.inner_text().split()[0]) / 24
    assert seconds == pytest.approx(card_s + 0.5 + SCENE_S, abs=0.05), "and the card of its scene"
    assert "is outdated" in page.locator("#film-links").inner_text()

    for name in ("Animatic", "Cut and clips", "The film, to open again"):
        page.locator("#film-deliver label", has_text=name).click()
    page.locator("#film-deliver-go").click()
    page.wait_for_selector("#film-links a[download='Dog at Night.zip']")
    with page.expect_download() as download:
        page.locator("#film-links a").click()
    download.value.save_as(tmp_path / "film.zip")
    with zipfile.ZipFile(tmp_path / "film.zip") as packed:
        names = packed.namelist()
        assert "A white dog sleeps." in packed.read("script.fountain").decode()
    assert len([name for name in names if name.startswith("clips/")]) == 2 and "board.json" in names
    assert studio.errors == []
