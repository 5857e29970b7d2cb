"""The Upscale tab's trial: on the part that was marked, in words when that is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from diffscaler.errors import InvalidRequest
from diffscaler.requests import Region, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.video.make import numbered, video
from ui.upscale_tab import UpscaleTab, part_of


@pytest.fixture
def tab(settings: Settings) -> UpscaleTab:
    with gr.Blocks():
        tab = UpscaleTab(Studio(settings))
        with gr.Tabs():
            tab.place()
    return tab


def click(tab: UpscaleTab, verb: str, key: str, region: str = "", at: str = "") -> dict[Any, Any]:
    values = [field.value for field in tab.fields.values()]
    event: Any = SimpleNamespace(do=verb, at=at)
    return tab.on_trial(event, {"clip": None}, region, [key], *values)


def test_a_trial_is_of_the_marked_part_from_where_the_monitor_stands(
    tab: UpscaleTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tab.studio.add_file(video(tmp_path / "clip.mp4", numbered(4))).key
    asked: list[UpscaleRequest] = []
    monkeypatch.setattr(tab.watch, "submit", lambda request: asked.append(request) or {})
    click(tab, "try-here", key, "8, 4, 32, 20", "0.1")
    click(tab, "try-here", key)
    assert asked[0].region == Region(x=8, y=4, width=32, height=20) and asked[0].start_s == 0.1
    assert asked[1].region is None
    said = click(tab, "try-here", key, "8, 4")[tab.watch.said]
    assert "no part of a picture" in said and len(asked) == 2


def test_marking_shows_the_clip_itself_and_all_of_it_empties_the_field(tab: UpscaleTab, tmp_path: Path) -> None:
    key = tab.studio.add_file(video(tmp_path / "clip.mp4", numbered(4))).key
    shown = click(tab, "mark", key)
    assert 'class="media"' in shown[tab.watch.monitor] and shown[tab.watch.state]["source"] == key
    assert click(tab, "unmark", key, "1, 2, 30, 40") == {tab.region: ""}


@pytest.mark.parametrize("text", ["1,2,3", "a, b, c, d", "0,0,8,8", "-1,0,20,20", "1.5,0,20,20"])
def test_what_is_no_part_is_told_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no part of a picture"):
        part_of(text)
    assert part_of(" ") is None
