"""The choice of a face swap engine on the page: what it needs, under which licence, and what it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from diffscaler.errors import ModelNotFound
from diffscaler.plan import nodes
from diffscaler.requests import FaceSwapRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.faceswap.redraw_models import describe_redraw_models
from ui.engines import OF_DIFFUSION
from ui.faceswap_tab import FaceSwapTab


@pytest.fixture
def tab(settings: Settings) -> FaceSwapTab:
    made = FaceSwapTab(Studio(settings))
    with gr.Blocks() as page:
        with gr.Tabs():
            made.place()
        made.wire(page)
        made.keep_models(gr.State(0))
    return made


@pytest.fixture
def media(tab: FaceSwapTab, tmp_path: Path) -> dict[str, Any]:
    """A clip and a photo, as the page's controls send them."""
    pictures = [Image.new("RGB", (64, 48), (6 * i, 90, 120)) for i in range(5)]
    pictures[0].save(tmp_path / "clip.gif", save_all=True, append_images=pictures[1:], duration=100)
    pictures[0].save(tmp_path / "face.png")
    clip, face = (tab.studio.add_file(tmp_path / name).key for name in ("clip.gif", "face.png"))
    return {"clip": [clip], "faces": [face], "member": "", "plays": tab.people.state.value}


def values(tab: FaceSwapTab, **changes: Any) -> dict[str, Any]:
    """What the page's controls send when nobody has touched them, but for `changes`."""
    return {name: at.value for name, at in tab.fields.items()} | changes


def test_an_engine_that_is_not_there_says_what_it_needs(tab: FaceSwapTab, media: dict[str, Any]) -> None:
    assert {value: words for words, value in tab.engines.choices()} == {
        "auto": "best there is", "builtin": "built in", "inswapper": "inswapper (not installed)",
        "ghost": "GHOST (not installed)", "diffusion": "diffusion: redraw (not installed)",
    }  # fmt: skip
    updates = tab.engines.shown("diffusion", "", "", False)
    card = updates[tab.engines.card]
    assert "No text-to-video model that can redraw faces is installed." in card and "models get" in card
    assert updates[tab.engines.place_of_diffusion].visible
    assert "Built-in preview engine" in tab.engines.shown("auto", "", "", False)[tab.engines.card]
    with pytest.raises(ModelNotFound) as caught:
        tab.studio.recipe(tab.request(consent="by mail", **media, **values(tab, engine="diffusion")))
    assert caught.value.hint


def test_what_is_installed_is_offered_with_its_licences(tab: FaceSwapTab, media: dict[str, Any]) -> None:
    describe_redraw_models(tab.studio.settings.models_dir)
    updates = tab.engines.refresh("diffusion", "", "", False)
    assert ("diffusion: redraw", "diffusion") in updates[tab.engines.engine].choices
    assert [value for _, value in updates[tab.fields["redraw_model"]].choices] == ["", "motion"]
    assert [value for _, value in updates[tab.fields["ip_adapter"]].choices] == ["", "look"]
    card = updates[tab.engines.card]
    assert "motion: OpenRAIL" in card and "look: licence not known" in card and "not installed" not in card
    safe = tab.engines.shown("diffusion", "motion", "look", True)[tab.engines.card]
    assert "motion is not known to be for commercial use" in safe

    asked = values(tab, engine="diffusion", redraw_strength=0.3, num_inference_steps="8", reference_scale=0.4, seed=5)
    request = tab.request(consent="by mail", **media, **asked)
    assert (request.engine, request.redraw_strength, request.num_inference_steps) == ("diffusion", 0.3, 8)
    recipe = tab.studio.recipe(request)
    (drawn,) = [node for node in nodes(recipe.root) if node.stage == "redraw_faces"]
    told = {name: drawn.params[name] for name in ("strength", "num_inference_steps", "reference_scale", "seed", "side")}
    assert told == {"strength": 0.3, "num_inference_steps": 8, "reference_scale": 0.4, "seed": 5, "side": 64}
    assert [model.name for model in drawn.models] == ["centerface", "motion", "look", "ip_adapters-image_encoder"]

    # What the clip's own request says fills the controls again.
    assert isinstance(recipe.request, FaceSwapRequest)
    filled = tab.fill(recipe.request)
    assert filled[tab.fields["redraw_model"]] == "motion" and filled[tab.fields["ip_adapter"]] == "look"
    assert set(OF_DIFFUSION) <= set(tab.fields)
