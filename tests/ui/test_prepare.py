"""The data grid of the Training tab, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from diffscaler.datasets import manifest as stored
from diffscaler.datasets.manifest import Manifest
from diffscaler.datasets.selection import Thresholds
from diffscaler.datasets.shot import Clip, Fault, Scores, Shot
from diffscaler.errors import InvalidRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from ui import prepare_grid
from ui.prepare_pane import LIMITS, PreparePane, stands_at
from ui.training_form import dataset_folder, footage_folder


def some(count: int) -> Manifest:
    """Clips of one shot each that move 0, 1, 2, ... per cent a second."""
    clips = tuple(
        Clip(f"/films/{i}<b>.mp4", f"{i}.mp4", f"{i:064d}", 64, 48, 8.0, 16, (f"clip {i} & more",),
             (Shot(f"{i}-0", 0, 16, 0.0, 2.0, Scores(float(i), 1.0, 5.0 + i, 100.0, 0.0, 0.5), thumbnail=f"{i}.jpg"),))
        for i in range(count)
    )  # fmt: skip
    return Manifest("/films", "bare footage", complete=True, clips=clips, faults=(Fault("x<i>.mp4", "It is broken."),))


@pytest.fixture
def pane(tmp_path: Path) -> PreparePane:
    """A pane placed on a page, with a data set called films."""
    import gradio as gr

    studio = Studio(Settings(data_dir=tmp_path / "data", worker_idle_s=1))
    stored.write(studio.settings.datasets_dir / "films", some(30))
    with gr.Blocks() as page:
        pane = PreparePane(studio)
        name, folder = gr.Textbox(), gr.Textbox()
        pane.place_controls()
        pane.place_grid()
        pane.wire(page, name, folder)
    return pane


STATE = {"job": None, "set": "films", "page": 0}


def test_ten_thousand_shots_are_a_page_at_a_time_and_the_last_one_is_a_click_away(tmp_path: Path) -> None:
    made = some(10_000)
    first = prepare_grid.cards(tmp_path, made, made.thresholds, 0)
    last = int(re.findall(r'data-to="(\d+)"', first)[-1])
    end = prepare_grid.cards(tmp_path, made, made.thresholds, last)
    assert last == (10_000 - 1) // prepare_grid.PAGE and f"{last * prepare_grid.PAGE + 1} to 10000 of 10000" in end
    assert end.count("<figure") == 10_000 - last * prepare_grid.PAGE and first.count("<figure") == prepare_grid.PAGE
    assert max(len(first), len(end)) < 30_000


def test_hundreds_of_cards_come_a_page_at_a_time_and_nothing_of_a_file_becomes_markup(pane: PreparePane) -> None:
    shown = pane.show(STATE)
    grid, head = shown[pane.grid], shown[pane.head]
    assert grid.count('class="shot') - grid.count('class="shots"') == prepare_grid.PAGE and "1 to 24 of 30" in grid
    assert (
        "0&lt;b&gt;.mp4" in grid and "<b>.mp4" not in grid and "clip 1 &amp; more" in grid and "x&lt;i&gt;.mp4" in grid
    )
    assert "30 of 30 shots kept" in head
    second = pane.on_click(STATE, SimpleNamespace(do="page", to="1"))[pane.grid]  # type: ignore[arg-type]
    assert second.count("<figure") == 6 and "25 to 30 of 30" in second


def test_a_limit_greys_cards_while_it_is_dragged_and_is_kept_when_it_is_let_go(pane: PreparePane) -> None:
    values = [stands_at(name, Thresholds(motion_min=10.0)) for name in LIMITS] + [False, False]
    shown = pane.on_limits(STATE, *values)
    assert "20 of 30 shots kept" in shown[pane.head] and shown[pane.grid].count('class="shot out"') == 10
    assert "moves too little" in shown[pane.grid]
    folder = pane.studio.settings.datasets_dir / "films"
    assert stored.read(folder).thresholds == Thresholds()
    pane.on_keep(STATE, *values)
    kept = stored.read(folder).thresholds
    assert kept == replace(Thresholds(), motion_min=10.0)
    assert pane.show(STATE)[pane.sliders["motion_min"]] == 10.0


def test_captions_are_written_and_shots_taken_out_in_the_grid(pane: PreparePane) -> None:
    folder = pane.studio.settings.datasets_dir / "films"
    pane.on_click(STATE, SimpleNamespace(do="caption", key="3-0", value="a red car\na car"))  # type: ignore[arg-type]
    shown = pane.on_click(STATE, SimpleNamespace(do="out", key="4-0"))  # type: ignore[arg-type]
    made = stored.read(folder)
    assert made.clips[3].shots[0].captions == ("a red car", "a car") and made.clips[4].shots[0].left_out
    assert "29 of 30 shots kept" in shown[pane.head] and "a red car" in shown[pane.grid]
    used = pane.on_click(STATE, SimpleNamespace(do="use"))  # type: ignore[arg-type]
    assert used[pane.source] == str(folder)
    gone = pane.on_click(STATE, SimpleNamespace(do="out", key="99-0"))  # type: ignore[arg-type]
    assert "not in this data set" in gone[pane.said]


def test_a_new_browser_is_shown_the_data_set_prepared_last(pane: PreparePane) -> None:
    assert pane.show(None)[pane.state]["set"] == "films"


@pytest.mark.parametrize("name", ["..", "../library", "nothing"])
def test_a_state_that_names_no_data_set_shows_none(pane: PreparePane, name: str) -> None:
    assert pane.grid not in pane.show({**STATE, "set": name})


def test_what_is_prepared_is_the_folder_named_or_the_clips_dropped(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(InvalidRequest, match="no clips to prepare"):
        footage_folder(settings, "rain", "")
    with pytest.raises(InvalidRequest, match="no folder 'gone'"):
        footage_folder(settings, "rain", str(tmp_path / "gone"))
    (tmp_path / "training" / "rain" / "clips").mkdir(parents=True)
    dropped = footage_folder(settings, "rain", "")
    assert dropped == tmp_path / "training" / "rain" / "clips"
    one, other = dataset_folder(settings, tmp_path / "a" / "films"), dataset_folder(settings, tmp_path / "b" / "films")
    assert (
        one.parent == settings.datasets_dir
        and one != other
        and dataset_folder(settings, dropped).name.startswith("rain-")
    )
