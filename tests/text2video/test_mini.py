"""The built-in model is trained, not canned: words steer what it draws. Its model card judges it in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.settings import ROOT, Settings
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.vocabulary import read_prompt

FOLDER = ROOT / "assets" / "models" / "mini"


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """prompt -> a few frames, uint8 (4, H, W, 3), in few steps: enough to see place and light."""
    catalogue = Catalogue(Settings(data_dir=tmp_path_factory.mktemp("data")))
    spec = catalogue.spec("mini", "text2video")
    model = spec.load(pick_device("cpu"))

    def frames(prompt: str, seed: int = 3) -> np.ndarray:
        size = spec.native["width"], spec.native["height"]
        sampling = Sampling(*size, num_frames=4, num_inference_steps=8, guidance_scale=4.0, seed=seed)
        return model.decode(model.denoise(model.encode_text(prompt, ""), sampling, lambda *step: None))

    return frames


def test_night_is_darker_than_day(draw: Any) -> None:
    night, day = draw("a dog on a beach at night"), draw("a dog on a beach during the day")
    assert night.mean() < day.mean() - 20


def test_a_forest_is_greener_than_a_desert_and_a_desert_redder_than_the_sea(draw: Any) -> None:
    def over_green(frames: np.ndarray) -> float:
        return float(frames[..., 0].mean() - frames[..., 1].mean())

    forest, desert = draw("a dog in a forest during the day"), draw("a dog in the desert during the day")
    assert over_green(forest) < over_green(desert) - 5


def test_another_seed_is_another_picture_of_the_same_light(draw: Any) -> None:
    one, other = draw("a car on a road at night", 1), draw("a car on a road at night", 2)
    assert np.abs(one.astype(int) - other).mean() > 3
    assert abs(one.mean() - other.mean()) < 40


@pytest.mark.parametrize("prompt", ["", "犬がビーチを走る", "qwerty", "a dog on a beach " * 100, "!?.,;"])
def test_any_prompt_gives_a_picture(draw: Any, prompt: str) -> None:
    frames = draw(prompt)
    assert frames.shape == (4, 128, 128, 3)
    assert frames.std() > 15 and np.abs(np.diff(frames.astype(int), axis=2)).mean() < 20  # a scene, not noise


def test_it_is_small_and_says_what_it_knows() -> None:
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert size <= 60_000_000
    reading = read_prompt(FOLDER, "A qwerty running on a beach at sunset")
    assert reading is not None
    assert (reading.known, reading.ignored) == (("running", "beach", "sunset"), ("qwerty",))
