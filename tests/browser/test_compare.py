"""A model that was trained here beside the one it began with, as a person looks at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.browser.test_studio import LONG_MS, Page
from tests.ui.test_compare import tune_mini

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_both_models_draw_a_prompt_on_one_seed_and_play_side_by_side(
    browser: Any, address: str, data_dir: Path
) -> None:
    tune_mini(Studio(Settings(data_dir=data_dir)))
    tab = browser.new_page(viewport={"width": 1440, "height": 1400})
    page = Page(tab, address).open()
    page.tab("Training")
    tab.wait_for_selector("#compare-go", timeout=30_000)
    tab.locator("#compare-prompt textarea").fill("a dog runs on a beach")
    tab.locator("#compare-seed :is(input, textarea)").first.fill("7")
    tab.locator("#compare-count input[type=number]").fill("1")
    tab.locator("#compare-count input[type=number]").press("Tab")
    tab.locator("#compare-go").click()
    tab.wait_for_selector("#compare-clips .progress", timeout=30_000)
    tab.wait_for_function("document.querySelectorAll('#compare-clips .pair video').length === 2", timeout=2 * LONG_MS)
    tab.wait_for_function(
        "[...document.querySelectorAll('#compare-clips video')].every(v => v.readyState >= 2 && v.currentTime > 0)",
        timeout=30_000,
    )
    names = tab.locator("#compare-clips figcaption").all_inner_texts()
    assert len(names) == 2 and names[1] == "rain" and tab.locator("#compare-clips").get_by_text("seed 7").is_visible()
    sides = [tab.locator(f"#compare-clips .{side}").bounding_box() for side in ("before", "after")]
    assert sides[0]["x"] + sides[0]["width"] <= sides[1]["x"] + 3 and min(side["height"] for side in sides) > 200
    # A reload finds them again, and the way back to a new comparison.
    page.open("#training-go, #training-stop")
    tab.wait_for_function("document.querySelectorAll('#compare-clips .pair video').length === 2", timeout=30_000)
    assert tab.locator("#compare-go").is_visible() and page.errors == []
    tab.close()
