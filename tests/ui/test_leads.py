"""Pictures and clips that lead a clip: in sight for the models that take them, and in the request only then."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from diffscaler.models.traits import Traits, read_families
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from ui.estimate import interpolators, upscalers
from ui.leads import TITLES, able
from ui.text2video_tab import Text2VideoTab

KEY = "0" * 12


@pytest.fixture
def tab(settings: Settings) -> Text2VideoTab:
    made = Text2VideoTab(Studio(settings))
    with gr.Blocks() as page:
        made.place()
        made.wire(page)
    return made


def values(tab: Text2VideoTab, **changes: Any) -> dict[str, Any]:
    """What the page's controls send when nobody has touched them, but for `changes`."""
    fresh = {name: at.value for name, at in tab.fields.items()} | {name: [] for name in TITLES}
    return fresh | {"prompt": "a dog"} | changes


def test_every_place_shows_for_the_families_that_can_use_it() -> None:
    shown = {card.name: {name for name, can in able(card.traits).items() if can} for card in read_families()}
    assert shown["animatediff"] == {"source_clip", "reference"}
    assert shown["sdxl_motion"] == {"source_clip", "reference", "control"}
    assert shown["ltx"] == {"picture"} and shown["wan"] == {"source_clip"} and shown["hunyuan15"] == set()
    assert set(able(Traits())) == set(TITLES) <= set(Text2VideoRequest.model_fields)


def test_a_draft_is_filled_in_again_but_for_what_is_no_longer_there(tab: Text2VideoTab) -> None:
    (other, *_) = (name for _, name in interpolators(tab.studio) if name != "flow")
    draft = {"prompt": "a dog", "upscaler": upscalers(tab.studio)[-1][1], "interpolator": other, "model": "gone"}
    restored = tab.restore({}, draft, [], *([] for _ in tab.leads.inputs))
    assert restored[tab.fields["prompt"]] == "a dog"
    for name in ("upscaler", "interpolator"):
        assert restored[tab.fields[name]].value == draft[name] != tab.fields[name].value
    assert restored[tab.fields["model"]].value != "gone"


def test_what_is_out_of_sight_is_not_asked_for(tab: Text2VideoTab) -> None:
    every = {name: [KEY] for name in TITLES}
    request = tab.request(values(tab, **every, strength=0.3), [], "")
    assert (request.source_clip, request.strength) == (KEY, 0.3)
    # mini reads neither pictures nor ControlNets.
    assert (request.picture, request.reference, request.control) == (None, None, None)
    updates = tab.on_change([], 1, **values(tab, **every))
    shown = {name: updates[place].visible for name, place in tab.leads.places.items()}
    assert shown == {"picture": False, "source_clip": True, "reference": False, "control": False}


def test_settings_of_an_earlier_clip_come_back(tab: Text2VideoTab) -> None:
    request = Text2VideoRequest(prompt="a dog", source_clip=KEY, strength=0.2, reference=KEY, ip_adapter="look")
    filled = tab.fill(request)
    assert filled[tab.leads.shelves["source_clip"].picked] == [KEY] == filled[tab.leads.shelves["reference"].picked]
    assert filled[tab.leads.shelves["control"].picked] == []
    assert filled[tab.fields["strength"]] == 0.2 and filled[tab.fields["ip_adapter"]] == "look"
