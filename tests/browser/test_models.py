"""A model is got, used and removed in the page, from a hub on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_studio import Page
from tests.models.fakehub import FakeHub
from tests.text2video.tiny import save_tiny_animatediff

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    folder = save_tiny_animatediff(tmp_path_factory.mktemp("hub") / "tiny")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub = FakeHub()
    hub.repos["studio/tiny"] = files
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def studio(hub: FakeHub, browser: Any, monkeypatch_module: pytest.MonkeyPatch, request: Any) -> Page:
    monkeypatch_module.setenv("DIFFSCALER_HUB_ENDPOINT", hub.endpoint)
    address = request.getfixturevalue("address")
    return Page(browser.new_context(viewport={"width": 1440, "height": 1200}).new_page(), address).open()


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_a_model_is_got_used_and_deleted(studio: Page, data_dir: Path) -> None:
    page = studio.page
    page.locator("#t2v-models .label-wrap").click()
    page.wait_for_selector("#models .model")
    assert page.locator("#models .model.on b").inner_text() == "mini, built in"
    assert "Wan" in page.locator("#models").inner_text()
    page.locator("#models-other :is(input, textarea)").fill("studio/tiny")
    page.locator("#models-add").click()
    page.wait_for_selector("#models-said .say")
    assert "queue" in page.locator("#models-said .say").inner_text()
    # No reload and no other tab: the shelf and the menu learn of it when it is there.
    page.wait_for_selector("#models [data-do=use][data-key=tiny]", timeout=60_000)
    menu = page.locator("#Text2VideoRequest-model input")
    menu.click()
    page.wait_for_selector("#Text2VideoRequest-model [role=option]:has-text('tiny')")
    menu.press("Escape")
    page.locator("#models [data-do=use][data-key=tiny]").click()
    page.wait_for_function("document.querySelector('#models .model.on b')?.innerText.includes('tiny')")
    assert (data_dir / "models" / "tiny" / "unet").is_dir()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#models [data-do=remove][data-key=tiny]").click()
    page.wait_for_function("document.querySelector('#models .model.on b')?.innerText.includes('mini')")
    assert not (data_dir / "models" / "tiny").exists()
    assert not studio.errors


def test_a_model_that_is_nowhere_is_said(studio: Page) -> None:
    page = studio.page
    page.locator("#models-other :is(input, textarea)").fill("/nowhere/at all")
    page.locator("#models-add").click()
    page.wait_for_selector("#models-said .say.error")
    assert len(page.locator("#models-said .say.error").inner_text()) > 20
