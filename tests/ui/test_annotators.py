"""Depth and poses on the page: what a clip to follow is made into, and the models that do it."""

from __future__ import annotations

import re

from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from tests.models.test_annotators import files, folder
from ui.controls import control
from ui.models_shelf import ModelsShelf


def test_the_page_says_what_a_clip_is_made_into_in_words() -> None:
    made = control(Text2VideoRequest, "control_kind")
    assert made.choices == [("edges", "canny"), ("depth", "depth"), ("poses", "pose"), ("as it is", "none")]


def test_models_for_depth_and_poses_can_be_got_and_deleted_but_do_not_draw(settings: Settings) -> None:
    def verbs(title: str) -> str:
        (card,) = [card for card in re.findall(r"<article.*?</article>", shelf.render("mini")) if f"<b>{title}" in card]
        return card

    shelf = ModelsShelf(Studio(settings))
    assert ">Get<" in verbs("Depth Anything V2 Small") and "Apache-2.0" in verbs("RT-DETR R18")
    folder(settings.models_dir / "vitpose-base", files("vitpose"))
    card = verbs("ViTPose base")
    assert ">Delete<" in card and ">Use<" not in card and ">Get<" not in card and "Memory: about" in card
