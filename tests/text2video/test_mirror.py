"""Left is the mirror image of right: in words, in pictures, in a clip to redraw, and only where a model asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import ModelNotFound
from diffscaler.plan import nodes
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.mirror import in_mirror, is_mirrored, swapped
from diffscaler.text2video.vocabulary import read_prompt
from tests.text2video.here import made_here
from tests.text2video.tiny import save_tiny_animatediff

SIDES = ("right", "left")
WORDS = {"dog": "subject:dog", "walks": "action:walk", "left": "direction:left", "right": "direction:right"}


def list_words(folder: Path, **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    known = {"words": WORDS, "stopwords": ["a", "the", "to"], "mirror": list(SIDES)} | more
    (folder / "vocabulary.json").write_text(json.dumps(known), encoding="utf-8")
    return folder


@given(st.lists(st.sampled_from(["a", "dog", "left", "right", "LEFT", "Right", ",", "leftover", "über"])).map(" ".join))
def test_a_text_twice_in_the_mirror_is_the_text(text: str) -> None:
    assert swapped(swapped(text, SIDES), SIDES).lower() == text.lower()
    assert is_mirrored(text, SIDES) != is_mirrored(swapped(text, SIDES), SIDES) or not {"left", "right"} & set(
        text.lower().split()
    )


@pytest.mark.parametrize(
    ("prompt", "drawn"),
    [
        ("a dog walks left", "a dog walks right"),
        ("a dog walks to the LEFT, right", "a dog walks to the right, left"),
        ("a dog walks right", None),
        ("a dog walks right, left", None),
        ("a dog walks", None),
    ],
)
def test_the_first_side_of_a_prompt_decides(tmp_path: Path, prompt: str, drawn: str | None) -> None:
    reading = read_prompt(list_words(tmp_path), prompt)
    assert reading and reading.heard == prompt and reading.mirrored == (drawn is not None)
    assert reading.turned(reading.heard) == (drawn or prompt)


def test_a_model_that_knows_both_sides_draws_what_is_said(tmp_path: Path) -> None:
    reading = read_prompt(list_words(tmp_path, mirror=None), "a dog walks left")
    assert reading and not reading.mirrored and reading.turned("a dog walks left") == "a dog walks left"
    for wrong in (["left"], "left", [1, 2]):
        with pytest.raises(ModelNotFound):
            read_prompt(list_words(tmp_path / str(wrong), mirror=wrong), "a dog")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    home = tmp_path_factory.mktemp("mirror")
    studio = Studio(Settings(data_dir=home, worker_idle_s=2, device="cpu", threads=1))
    list_words(save_tiny_animatediff(studio.settings.models_dir / "sides"))
    return studio


def frames_of(studio: Studio, **asked: Any) -> np.ndarray:
    """The lossless frames of a clip."""
    request = Text2VideoRequest(
        model="sides", seed=3, num_frames=4, num_inference_steps=2, width=64, height=64, **asked
    )
    drawn = made_here(studio, request).node.inputs[0]
    return np.concatenate([chunk.frames for chunk in studio.library.read(drawn.key)])


def test_left_is_right_in_the_mirror_to_the_last_pixel(studio: Studio) -> None:
    left, right = (frames_of(studio, prompt=f"a dog walks {side}") for side in ("left", "right"))
    assert np.array_equal(left, in_mirror(right)) and not np.array_equal(left, right)
    # A negative prompt is turned round with it.
    left = frames_of(studio, prompt="a dog walks left", negative_prompt="dog right")
    assert np.array_equal(left, in_mirror(frames_of(studio, prompt="a dog walks right", negative_prompt="dog left")))


def test_a_clip_to_redraw_is_turned_and_comes_back_as_it_lay(studio: Studio, tmp_path: Path) -> None:
    from PIL import Image

    picture = np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    keys = []
    for name, pixels in (("as it is", picture), ("turned", in_mirror(picture))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        keys.append(studio.add_file(tmp_path / f"{name}.png").key)
    for strength in (0.0, 0.5):
        left = frames_of(studio, prompt="a dog walks left", source_clip=keys[0], strength=strength)
        right = frames_of(studio, prompt="a dog walks right", source_clip=keys[1], strength=strength)
        assert np.array_equal(left, in_mirror(right)) and not np.array_equal(left, right)


def test_plans_of_models_without_a_mirror_have_the_keys_they_always_had(studio: Studio) -> None:
    save_tiny_animatediff(studio.settings.models_dir / "plain")
    recipe = studio.recipe(Text2VideoRequest(prompt="a dog walks left", model="plain", seed=1))
    assert all("mirrored" not in at.params for at in nodes(recipe.root))
