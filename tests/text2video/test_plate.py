"""A pan is a still camera's clip on a plate, and a view that slides over it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import ModelNotFound
from diffscaler.library.clips import Clip
from diffscaler.plan import nodes
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import ROOT, Settings
from diffscaler.studio import Studio
from diffscaler.text2video.mirror import in_mirror
from diffscaler.text2video.plate import by_regions, pace_px, seen, width_px, without_pan
from diffscaler.text2video.vocabulary import read_prompt
from tests.text2video.here import made_here
from tests.text2video.test_mirror import WORDS, list_words
from tests.text2video.tiny import save_tiny_animatediff

PLATE = {
    "travel": 0.36,
    "settings": {"place:beach": "on a beach", "place:road": "on a road", "light:night": "at night"},
    "nowhere": "in a field",
}
MORE = {"camera": "other", "pan": "camera:pan", "pans": "camera:pan", "beach": "place:beach", "night": "light:night"}
PANS = ("pan", "pans")


@pytest.mark.parametrize(
    ("text", "rest", "way"),
    [
        ("a dog on a beach, the camera pans left", "a dog on a beach", -1),
        ("a dog on a beach, slow pan to the right.", "a dog on a beach.", 1),
        ("a dog on a beach pan right", "a dog on a beach", 1),
        ("a dog, camera pans", "a dog", 1),
        ("Slow pan to the left of a man on a road.", "a man on a road.", -1),
        ("A boat sails. Pan left.", "A boat sails.", -1),
        ("A boat sails. Pan left. EXT. BEACH - DAY.", "A boat sails. EXT. BEACH - DAY.", -1),
        ("pan", "", 1),
        ("pan up over a dog", "pan up over a dog", 0),
        ("a dog walks left", "a dog walks left", 0),
        ("a panda in a pantry", "a panda in a pantry", 0),
    ],
)
def test_words_that_ask_for_a_pan_are_taken_out_and_name_its_way(text: str, rest: str, way: int) -> None:
    assert without_pan(text, PANS) == (rest, way)


@given(st.text(max_size=60).filter(lambda text: "pan" not in text.lower()))
def test_a_text_without_a_pan_stays_as_it_is(text: str) -> None:
    assert without_pan(text, PANS) == (text, 0) and without_pan(text, ()) == (text, 0)


@given(
    st.integers(8, 80).map(lambda n: 8 * n), st.integers(2, 40), st.floats(0.05, 2.0), st.sampled_from([-1, 1])
)  # fmt: skip
def test_the_view_moves_evenly_and_never_leaves_the_plate(height: int, frames: int, travel: float, way: int) -> None:
    pan_px = way * pace_px(height, frames, travel)
    wide = width_px(height, frames, pan_px)
    assert wide % 8 == 0 and wide - height < abs(pan_px) * (frames - 1) + 64
    plate = np.broadcast_to(np.arange(wide, dtype=np.uint16)[None, None, :, None], (frames, 1, wide, 3))
    views = seen(plate, range(frames), height, frames, pan_px)
    assert views.shape == (frames, 1, height, 3)
    assert set(np.diff(views[:, 0, 0, 0].astype(int))) <= {pan_px}
    # Any part of the clip is seen as in the whole of it.
    assert np.array_equal(seen(plate[1:], range(1, frames), height, frames, pan_px), views[1:])


def test_a_camera_that_stands_still_changes_nothing() -> None:
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    assert seen(frames, [0], 8, 1, 0) is frames and width_px(8, 16, 0) == 8 and pace_px(128, 1, 0.36) == 0


def test_the_middle_is_the_subject_s_and_the_sides_are_the_setting_s() -> None:
    def says(value: float) -> Any:
        return lambda latents, *_: torch.full_like(latents, value)

    out = by_regions(says(1.0), says(0.0), 8)(torch.zeros(1, 4, 2, 6, 14), torch.tensor(3), range(2), 0)
    assert out[0, 0, 0, 0].tolist() == [0, 0, 0, 0.5, 1, 1, 1, 1, 1, 1, 0.5, 0, 0, 0]


def test_what_is_read_of_a_pan(tmp_path: Path) -> None:
    folder = list_words(tmp_path, words=WORDS | MORE, plate=PLATE)
    reading = read_prompt(folder, "a dog walks left to the beach at night, the camera pans right")
    assert reading and reading.drawn == "a dog walks left to the beach night"  # "at" is no word of this list
    assert reading.heard == "a dog walks left to the beach night, the camera pans right"
    assert (reading.pan, reading.setting, reading.mirrored) == (0.36, "on a beach at night", True)
    reading = read_prompt(folder, "a dog, pan left")
    assert reading and (reading.pan, reading.setting, reading.mirrored) == (-0.36, "in a field", False)
    for wrong in ({"travel": 0}, {"settings": {"place:beach": 3}}, {"nowhere": None, "travel": "far"}):
        with pytest.raises(ModelNotFound):
            read_prompt(list_words(tmp_path / str(len(str(wrong))), plate=PLATE | wrong), "a dog")
    with pytest.raises(ModelNotFound):
        read_prompt(list_words(tmp_path / "list", plate=["travel"]), "a dog")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    home = tmp_path_factory.mktemp("plate")
    studio = Studio(Settings(data_dir=home, worker_idle_s=2, device="cpu", threads=1))
    list_words(save_tiny_animatediff(studio.settings.models_dir / "pans"), words=WORDS | MORE, plate=PLATE)
    return studio


def asked(prompt: str, **more: Any) -> Text2VideoRequest:
    size = {"num_frames": 4, "num_inference_steps": 2, "width": 64, "height": 64}
    return Text2VideoRequest.model_validate({"prompt": prompt, "model": "pans", "seed": 3} | size | more)


def frames_of(studio: Studio, prompt: str, **more: Any) -> np.ndarray:
    drawn = made_here(studio, asked(prompt, **more)).node.inputs[0]
    return np.concatenate([chunk.frames for chunk in studio.library.read(drawn.key)])


def test_a_pan_is_as_large_as_asked_and_the_mirror_image_of_the_other_way(studio: Studio) -> None:
    right = frames_of(studio, "a dog walks right, pan right")
    left = frames_of(studio, "a dog walks left, pan left")
    assert right.shape == left.shape == (4, 64, 64, 3)
    assert np.array_equal(left, in_mirror(right))
    assert not np.array_equal(right, frames_of(studio, "a dog walks right, pan left"))
    # With guidance, in windows and refined it is drawn too.
    for more in ({"guidance_scale": 4.0}, {"num_frames": 40}, {"free_init": 1}):
        assert frames_of(studio, "a dog, pan right", **more).shape[1:] == (64, 64, 3)


def test_a_clip_to_redraw_keeps_its_own_camera_and_that_is_said(studio: Studio) -> None:
    def said(clip: Clip) -> bool:
        notes = [
            note for at in nodes(clip.node) if at.stage == "encode_text" for note in studio.library.clip(at.key).notes
        ]
        return any("camera stands still" in note for note in notes)

    clip = made_here(studio, asked("a dog"))
    assert said(made_here(studio, asked("a dog, pan right", source_clip=clip.key, strength=0.5)))
    assert not said(clip) and not said(made_here(studio, asked("a dog, pan right")))


def test_plans_of_clips_without_a_pan_have_the_keys_they_always_had(studio: Studio) -> None:
    recipe = studio.recipe(asked("a dog walks right"))
    assert all("pan_px" not in at.params and "pans" not in at.params for at in nodes(recipe.root))


def test_the_built_in_model_pans_over_its_places() -> None:
    from diffscaler.models.catalogue import text2video_folder
    from diffscaler.models.device import pick_device
    from diffscaler.text2video.family import draw

    spec = text2video_folder(ROOT / "assets" / "models" / "mini")
    model = spec.load(pick_device("cpu"))
    for prompt, shown in (("a cat sleeping in a forest, pan right", -3), ("a cat sleeping in a forest, pan left", 3)):
        grey = draw(model, spec.native, prompt, 5).mean(axis=3).astype(np.float32)
        moved = [cv2.phaseCorrelate(a, b)[0] for a, b in pairwise(grey)]
        across, down = np.median(moved, axis=0)
        assert abs(across - shown) < 0.5 and abs(down) < 0.3, moved
