"""A model is trained in the page: clips prepared, a run started, stopped and resumed, and what it made draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.test_studio import LONG_MS, Page
from tests.training.data.draw import clip, travelling

pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Enough that a person can press Stop on a quick machine, few enough for a slow one.
STEPS = 150
RUN_MS = 300_000
#: A pixel U-Net small enough to learn in seconds; "Every option" is how a person would ask for it.
TINY = f"""image_size = 16
num_frames = 4
dim = 8
dim_mults = [1, 2]
attn_heads = 2
attn_dim_head = 8
init_kernel_size = 3
timesteps = 100
sample_steps = 4
train_batch_size = 2
learning_rate = 2e-3
held_out = 1
max_train_steps = {STEPS}
validate_every_steps = {STEPS // 3}
save_n_steps = 1000
threads = 1
device = "cpu"
"""


def footage(folder: Path) -> Path:
    """Four tinted textures that travel, each with what it shows in words."""
    seed = int(np.random.default_rng().integers(2**31))
    print("seed of the footage:", seed)
    folder.mkdir()
    for number, colour in enumerate(((220, 40, 40), (40, 200, 60), (50, 60, 220), (220, 200, 40))):
        frames = (travelling(seed + number, 12, 3.0) * 0.6 + np.array(colour) * 0.4).astype(np.uint8)
        clip(folder / f"{number}.mp4", frames, f"a cloud number {number}", fps=12)
    return folder


def step_of(tab: Any) -> int:
    """The step the curve has come to, 0 before it begins."""
    label = tab.evaluate("document.querySelector('#training-monitor svg.curve')?.getAttribute('aria-label') ?? ''")
    found = re.search(r"at step (\d+) of", label)
    return int(found[1]) if found else 0


def wait_for_step(tab: Any, beyond: int) -> int:
    """Wait until the curve has gone on. Fails with the trainer's own words when the run failed."""
    tab.wait_for_function(
        "(beyond) => { const label = document.querySelector('#training-monitor svg.curve')?.getAttribute('aria-label');"
        " const step = label?.match(/at step (\\d+) of/)?.[1];"
        " return Number(step ?? 0) > beyond || document.querySelector("
        "'#training-monitor .say.error, #training-said .say'); }",
        arg=beyond, timeout=RUN_MS,
    )  # fmt: skip
    said = tab.locator("#training-monitor .say.error, #training-said .say")
    assert said.count() == 0, said.first.inner_text()
    return step_of(tab)


def test_what_is_typed_while_an_answer_is_on_its_way_stays(browser: Any, address: str) -> None:
    tab = browser.new_page(viewport={"width": 1440, "height": 1400})
    page = Page(tab, address).open()
    page.tab("Training")
    tab.locator("#training-options .label-wrap").click()
    shown = "(text) => document.querySelector('#training-toml .cm-content')?.innerText.includes(text)"
    tab.wait_for_function(shown, arg="recipe =")
    asked: list[Any] = []
    held = True
    tab.route("**/queue/join*", lambda route: asked.append(route) if held else route.continue_())
    name, editor = tab.locator("#TrainRequest-name :is(input, textarea)"), tab.locator("#training-toml .cm-content")
    with tab.expect_request("**/queue/join*"):
        name.fill("clouds")
    editor.click()
    tab.keyboard.press("Control+a")
    tab.keyboard.insert_text('[run]\nrecipe = "mini"\nseed = 7\n')
    held = False
    for route in asked:
        route.continue_()
    tab.wait_for_function("document.querySelector('#training-answer')?.textContent.includes('clouds')")
    assert editor.inner_text().split() == ["[run]", "recipe", "=", '"mini"', "seed", "=", "7"]
    name.fill("rain")  # and both come together with the next answer
    tab.wait_for_function(shown, arg="models/rain")
    tab.close()


def test_clips_are_prepared_a_run_is_stopped_and_resumed_and_its_model_draws(
    browser: Any, address: str, data_dir: Path, tmp_path: Path
) -> None:
    tab = browser.new_page(viewport={"width": 1440, "height": 1400})
    tab.set_default_timeout(90_000)
    page = Page(tab, address).open()
    page.tab("Training")
    tab.locator("#TrainRequest-name :is(input, textarea)").fill("clouds")
    recipe = tab.locator("#TrainRequest-recipe input")
    recipe.click()
    tab.locator("#TrainRequest-recipe [role=option]", has_text="A small model from scratch").click()
    tab.wait_for_function("document.querySelector('#training-about').innerText.includes('draws pixels')")

    # A folder becomes a data set, whose shots are looked at before they are used.
    tab.get_by_text("A folder on this computer instead").click()
    tab.locator("#TrainRequest-folder :is(input, textarea)").fill(str(footage(tmp_path / "clouds")))
    tab.locator("#prepare-go").click()
    tab.wait_for_function("document.querySelectorAll('#prepare-grid figure.shot').length === 4", timeout=LONG_MS)
    tab.wait_for_selector("#prepare-go", timeout=LONG_MS)
    assert "4 of 4 shots kept" in tab.locator("#prepare-head").inner_text()
    tab.locator("#prepare-head [data-do=use]").click()
    dataset = next((data_dir / "datasets").iterdir())
    tab.wait_for_function(
        "(name) => document.querySelector('#TrainRequest-folder :is(input, textarea)').value.includes(name)",
        arg=dataset.name,
    )

    # The text of every option is written over, as somebody does who has a configuration.
    tab.locator("#training-options .label-wrap").click()
    editor = tab.locator("#training-toml .cm-content")
    # What is typed while the form's answer is on its way would be written over by it.
    tab.wait_for_function(
        "(name) => document.querySelector('#training-toml .cm-content')?.innerText.includes(name)", arg=dataset.name
    )
    output = data_dir / "models" / "clouds"
    head = {"recipe": "unet3d", "output_dir": output.as_posix(), "data": dataset.as_posix()}
    editor.click()
    tab.keyboard.press("Control+a")
    tab.keyboard.insert_text("[run]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in head.items()) + TINY)
    tab.locator("#TrainRequest-name :is(input, textarea)").click()
    tab.locator("#training-go").click()

    began = wait_for_step(tab, 0)
    assert wait_for_step(tab, began) > began
    tab.locator("#training-stop").click()
    tab.wait_for_selector("#training-monitor [data-do=retry]", timeout=RUN_MS)
    stopped = [event for event in events(output) if event["event"] == "checkpoint"][-1]["step"]
    assert began <= stopped < STEPS and not any(event["event"] == "done" for event in events(output))
    tab.locator("#training-monitor [data-do=retry]").click()
    tab.wait_for_selector("#training-stop", timeout=30_000)
    tab.wait_for_function(
        "document.querySelector('#training-monitor .facts')?.innerText.includes('is in the model list')",
        timeout=RUN_MS,
    )
    told = events(output)
    assert [event["step"] for event in told if event["event"] == "resumed"] == [stopped]
    steps = [event["step"] for event in told if event["event"] == "step"]
    assert steps == sorted(set(steps)) and steps[-1] == STEPS == step_of(tab), "no step was learnt twice"
    assert tab.locator("#training-monitor svg.curve .held").count() and tab.locator("#training-monitor img").count()

    # The model is in the list of the other tab, without a reload, and draws.
    page.tab("Text to video")
    menu = tab.locator("#Text2VideoRequest-model input")
    menu.click()
    tab.locator("#Text2VideoRequest-model [role=option]", has_text="clouds").click()
    tab.locator("#prompt textarea").fill("a cloud number 1")
    tab.locator("#text2video-go").click()
    drawn = page.wait_for_clip("text2video")
    assert (drawn["width"], drawn["height"]) == (16, 16) and page.errors == []
    assert "clouds" in tab.locator("#text2video-monitor .facts").inner_text()
    tab.close()


def events(output: Path) -> list[dict[str, Any]]:
    """What the trainer has written so far."""
    return [json.loads(line) for line in (output / "events.jsonl").read_text(encoding="utf-8").splitlines()]
