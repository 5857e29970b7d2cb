"""Denoise strength: a network between a model and its -wdn sibling, offered only where there are both."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffscaler.errors import InvalidRequest
from diffscaler.library.clips import ClipLibrary
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue, upscaler_file
from diffscaler.recipes import Recipes
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.upscale.dni import between
from diffscaler.upscale.load import load_file
from diffscaler.upscale.siblings import weak_sibling
from diffscaler.upscale.stage import Upscale, UpscaleParams
from diffscaler.upscale.tile import Upscaler, upscale_frame
from tests.devices import exact_cpu
from tests.upscale.run import context
from tests.upscale.tiny import compact_network, save_compact
from tests.video.make import in_chunks, meta_for, numbered

STRONG, WEAK = "realesr-general-x4v3", "realesr-general-wdn-x4v3"


def loaded(path: Path) -> Upscaler:
    return load_file(upscaler_file(path), exact_cpu())


@pytest.fixture
def pair(settings: Settings) -> tuple[Path, Path]:
    """Both files in the models folder; their layers are wide enough for Winograd's algorithm."""
    root = settings.models_dir / "upscalers"
    strong = save_compact(root / f"{STRONG}.pth", 4, seed=0, num_feat=32)
    return strong, save_compact(root / f"{WEAK}.pth", 4, seed=1, num_feat=32)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_network_between_is_the_one_real_esrgan_would_load(
    pair: tuple[Path, Path], tmp_path: Path, strength: float
) -> None:
    """RealESRGANer.dni adds the weights of both files and loads the sum."""
    first, second = (torch.load(path, weights_only=True)["params"] for path in pair)
    mixed = {name: strength * first[name] + (1 - strength) * second[name] for name in first}
    network = compact_network(4, num_feat=32)
    network.load_state_dict(mixed)
    frame = np.random.RandomState(0).randint(0, 256, (21, 30, 3), np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255)[0].clamp(0, 1) * 255
    made = upscale_frame(between(loaded(pair[0]), loaded(pair[1]), strength), frame, 4)
    assert np.abs(made - expected.permute(1, 2, 0).numpy()).max() < 0.51


def test_two_networks_of_other_shapes_have_nothing_between_them(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    other = save_compact(tmp_path / "other.pth", 4, num_feat=16)
    with pytest.raises(InvalidRequest, match="not of one shape"):
        between(loaded(pair[0]), loaded(other), 0.5)


def test_the_stage_runs_between_the_two_it_is_lent(pair: tuple[Path, Path]) -> None:
    lent = {"a": loaded(pair[0]), "b": loaded(pair[1])}
    frames = numbered(3, 20, 24)
    models = tuple(ModelRef(name=name, revision="1") for name in lent)
    stage = Upscale(UpscaleParams(scale=4, denoise_strength=0.25), models)
    ctx = context(acquire=lambda ref: nullcontext(lent[ref.name]))
    made = np.concatenate([c.frames for c in stage.run((Stream(meta_for(frames), in_chunks(frames, 2)),), ctx)])
    expected = upscale_frame(between(lent["a"], lent["b"], 0.25), frames[1], 4)
    assert made.shape == (3, 80, 96, 3) and np.abs(made[1].astype(int) - expected).max() <= 1


@pytest.fixture
def recipes(library: ClipLibrary, settings: Settings) -> Recipes:
    return Recipes(library, Catalogue(settings))


@pytest.fixture
def picture(recipes: Recipes, tmp_path: Path) -> str:
    Image.fromarray(numbered(1)[0]).save(tmp_path / "still.png")
    return recipes.library.add_file(tmp_path / "still.png").key


def test_a_plan_names_both_models(recipes: Recipes, picture: str, pair: tuple[Path, Path]) -> None:
    def asked(strength: float) -> tuple[str, ...]:
        request = UpscaleRequest(clip=picture, upscaler=STRONG, denoise_strength=strength)
        return tuple(model.name for model in recipes.upscale(request).root.inputs[0].models)

    assert asked(1.0) == (STRONG,)
    assert asked(0.5) == (STRONG, WEAK)


@pytest.mark.parametrize("upscaler", ["builtin", WEAK, "alone"])
def test_without_a_sibling_there_is_no_strength(
    recipes: Recipes, settings: Settings, picture: str, pair: tuple[Path, Path], upscaler: str
) -> None:
    save_compact(settings.models_dir / "upscalers" / "alone.pth")
    assert weak_sibling(recipes.catalogue, upscaler) is None
    with pytest.raises(InvalidRequest, match="has no denoise strength"):
        recipes.upscale(UpscaleRequest(clip=picture, upscaler=upscaler, denoise_strength=0.5))
