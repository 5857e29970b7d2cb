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
from ui.prepare_pane import LIMITS, SCORED, PreparePane, stands_at
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


def scored(made: Manifest, names: dict[str, str]) -> Manifest:
    """A data set whose shots a network gave 10, 11, 12, ... and 5."""
    clips = tuple(
        replace(
            clip, shots=(replace(shot := clip.shots[0], scores=replace(shot.scores, clip=10.0 + i, aesthetics=5.04)),)
        )
        for i, clip in enumerate(made.clips)
    )
    return replace(made, clips=clips, scorers=names)


def test_scores_of_networks_and_their_sliders_are_there_where_they_were_measured(pane: PreparePane) -> None:
    folder = pane.studio.settings.datasets_dir / "films"
    shown = pane.show(STATE)
    assert not any(shown[pane.sliders[name]].visible for name in SCORED)
    assert "no CLIP score, no aesthetics: `models get clip-vit-large-patch14` brings the model" in shown[pane.head]
    assert "CLIP 1" not in shown[pane.grid] and "aesthetics 5" not in shown[pane.grid]
    stored.write(folder, scored(some(30), {"clip": "tiny CLIP", "aesthetics": "beauty"}))
    shown = pane.show(STATE)
    assert all(shown[pane.sliders[name]].visible for name in SCORED) and "no CLIP" not in shown[pane.head]
    assert "scored by tiny CLIP, beauty" in shown[pane.head] and "CLIP 12.0, aesthetics 5.0" in shown[pane.grid]
    values = [stands_at(name, Thresholds(clip_min=20.0)) for name in LIMITS] + [False, False]
    dragged = pane.on_limits(STATE, *values)
    assert "20 of 30 shots kept" in dragged[pane.head] and "unlike its caption" in dragged[pane.grid]
    pane.on_keep(STATE, *values)
    assert stored.read(folder).thresholds == replace(Thresholds(), clip_min=20.0)
    assert pane.show(STATE)[pane.sliders["clip_min"]].value == 20.0
    assert "without a CLIP score" not in pane.show(STATE)[pane.head]
    edited = pane.on_click(STATE, SimpleNamespace(do="caption", key="20-0", value="other words"))  # type: ignore[arg-type]
    assert stored.read(folder).clips[20].shots[0].scores.clip is None
    assert "1 caption without a CLIP score: Prepare reads them" in edited[pane.head]


@pytest.mark.parametrize("beyond", [{"clip_min": 55.0, "aesthetics_min": -1.5}, {"clip_min": -2.0, "text_max": 1.5}])
def test_a_limit_beyond_its_sliders_ends_stays_until_that_slider_is_moved(pane: PreparePane, beyond) -> None:
    folder = pane.studio.settings.datasets_dir / "films"
    before = replace(Thresholds(), **beyond)
    stored.write(folder, replace(scored(some(3), {"clip": "tiny CLIP", "aesthetics": "beauty"}), thresholds=before))
    stand = {name: stands_at(name, before) for name in LIMITS}
    pane.on_keep(STATE, *(stand | {"motion_min": 1.0}).values(), False, False)
    assert stored.read(folder).thresholds == replace(before, motion_min=1.0)
    pane.on_keep(STATE, *(stand | {"clip_min": 12.0}).values(), False, False)
    assert stored.read(folder).thresholds == replace(before, clip_min=12.0)
    pane.on_keep(STATE, *(stand | {"clip_min": 0.0}).values(), False, False)
    assert stored.read(folder).thresholds == replace(before, clip_min=None)


def test_a_limit_on_a_score_that_is_gone_keeps_its_slider_so_that_it_can_be_lifted(pane: PreparePane) -> None:
    folder = pane.studio.settings.datasets_dir / "films"
    stored.write(folder, replace(some(3), thresholds=Thresholds(clip_min=20.0)))
    shown = pane.show(STATE)
    assert shown[pane.sliders["clip_min"]].visible and shown[pane.sliders["clip_min"]].value == 20.0
    assert not shown[pane.sliders["aesthetics_min"]].visible


def test_the_page_says_in_a_line_what_is_missing_of_the_scores(pane: PreparePane) -> None:
    settings = pane.studio.settings
    stored.write(settings.datasets_dir / "films", scored(some(2), {"clip": "tiny CLIP"}))
    head = pane.show(STATE)[pane.head]
    assert "no aesthetics: `models get" in head and "no CLIP score" not in head, "the model is gone, the scores are not"
    folder = settings.models_dir / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "clip", "architectures": ["CLIPModel"]}')
    (folder / "model.safetensors").write_bytes(b"weights")
    assert "no aesthetics: LAION" in pane.show(STATE)[pane.head]
    (settings.models_dir / "aesthetics").mkdir()
    (settings.models_dir / "aesthetics" / "beauty.pth").write_bytes(b"weights")
    assert "no aesthetics yet: Prepare again, beauty is installed" in pane.show(STATE)[pane.head]
    stored.write(settings.datasets_dir / "films", some(2))
    assert "no CLIP score yet: Prepare again, tiny is installed" in pane.show(STATE)[pane.head]
    stored.write(
        settings.datasets_dir / "films", replace(some(2), folder=str(settings.datasets_dir / "films" / "clips"))
    )
    assert "no CLIP score" not in pane.show(STATE)[pane.head], "captions that were drawn are true"


def test_an_edit_costs_no_reading_of_the_manifest(pane: PreparePane, monkeypatch: pytest.MonkeyPatch) -> None:
    pane.show(STATE)
    reads = []
    real = stored.read_written
    monkeypatch.setattr(stored, "read_written", lambda path: (reads.append(path), real(path))[1])
    for number in range(3):
        change = SimpleNamespace(do="caption", key=f"{number}-0", value=f"words {number}")
        assert pane.on_click(STATE, change)[pane.said] == ""  # type: ignore[arg-type]
        pane.on_click(STATE, SimpleNamespace(do="out", key=f"{number + 9}-0"))  # type: ignore[arg-type]
    shown = pane.show(STATE)
    assert reads == [] and "words 2" in shown[pane.grid] and "27 of 30 shots kept" in shown[pane.head]


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
