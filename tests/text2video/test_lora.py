"""LoRA files over tiny real models: they change the clip, by their strength, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffscaler.errors import DiffScalerError, InvalidRequest
from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.recipes import Recipes
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.lora import Lora, adapted, read_loras
from tests.text2video.test_frugal import Plain
from tests.text2video.tiny_families import FAMILIES, save_tiny


def save_lora(model: Any, folder: Path, seed: int = 0) -> Path:
    """A LoRA of rank 2 for every attention layer of a loaded model, as the library saves it."""
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = model.pipeline
    name = "unet" if hasattr(pipeline, "unet") else "transformer"
    network = getattr(pipeline, name)
    torch.manual_seed(seed)
    network.add_adapter(LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    state = get_peft_model_state_dict(network)
    pipeline.save_lora_weights(folder, **{f"{name}_lora_layers": state})
    network.unload_lora()
    return folder / "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module", params=["animatediff-sdxl", "ltx2", "wan"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Path, Path]:
    root = tmp_path_factory.mktemp("lora")
    model = load_pipeline(text2video_folder(save_tiny(request.param, root / request.param)), Plain())
    return request.param, model, save_lora(model, root / "one"), save_lora(model, root / "two", seed=1)


def draw(model: Any, name: str, *loras: Lora) -> np.ndarray:
    width, height, frames = FAMILIES[name][1]
    with adapted(model.pipeline, loras):
        text = model.encode_text("a dog", "")
        return model.denoise(text, Sampling(width, height, frames, 2, 3.0, 1), lambda *step: None)


def test_a_lora_works_by_its_strength_and_leaves_nothing_behind(loaded: tuple[str, Any, Path, Path]) -> None:
    name, model, one, two = loaded
    plain = draw(model, name)
    full = draw(model, name, Lora("one", one))
    assert not np.allclose(plain, full)
    assert np.abs(draw(model, name, Lora("one", one, 0.0)) - plain).max() < 1e-5
    half = np.abs(draw(model, name, Lora("one", one, 0.5)) - plain).mean()
    assert 0 < half < np.abs(full - plain).mean() * 1.5
    both = draw(model, name, Lora("one", one), Lora("two", two, 0.5))
    assert not np.allclose(both, full)
    assert np.array_equal(draw(model, name), plain)


def test_a_file_that_does_not_fit_is_refused_and_the_model_stays_whole(loaded: tuple[str, Any, Path, Path],
                                                                        tmp_path: Path) -> None:  # fmt: skip
    import torch
    from safetensors.torch import load_file, save_file

    name, model, one, _ = loaded
    plain = draw(model, name)
    state = load_file(one)
    wrong = {
        "cut": one.read_bytes()[:80],
        "empty": b"",
        "words": b"not weights at all" * 9,
    }
    for kind, data in wrong.items():
        (tmp_path / f"{kind}.safetensors").write_bytes(data)
    save_file({key: torch.zeros(3, *value.shape[1:]) for key, value in state.items()}, tmp_path / "shapes.safetensors")
    save_file({f"other.{key}": value for key, value in state.items()}, tmp_path / "stranger.safetensors")
    for kind in (*wrong, "shapes", "stranger"):
        with pytest.raises(InvalidRequest, match="does not fit") as caught:
            draw(model, name, Lora("one", one), Lora(kind, tmp_path / f"{kind}.safetensors"))
        assert caught.value.hint and "\n" not in str(caught.value)
        assert np.array_equal(draw(model, name), plain), kind


def test_names_and_strengths_are_read() -> None:
    assert read_loras("") == []
    assert read_loras("noir:0.7, anna,x.y-2 : -1") == [("noir", 0.7), ("anna", 1.0), ("x.y-2", -1.0)]
    for text in ("noir:strong", "../x", "a:9", "a, a:0.5", "a b"):
        with pytest.raises(InvalidRequest) as caught:
            read_loras(text)
        assert caught.value.hint


@given(st.text(max_size=60))
def test_any_text_is_names_or_a_sentence(text: str) -> None:
    try:
        assert all(-4 <= scale <= 4 for _, scale in read_loras(text))
    except DiffScalerError as error:
        assert error.hint


def test_loras_are_part_of_the_recipe(tmp_path: Path, loaded: tuple[str, Any, Path, Path]) -> None:
    import shutil

    studio = Studio(Settings(data_dir=tmp_path))
    folder = studio.settings.models_dir / "loras"
    folder.mkdir(parents=True)
    shutil.copy(loaded[2], folder / "noir.safetensors")
    save_tiny("animatediff-sdxl", studio.settings.models_dir / "motion")
    recipes = Recipes(studio.library, Catalogue(studio.settings))
    keys = {
        loras: recipes.of(Text2VideoRequest(prompt="a dog", model="motion", seed=1, loras=loras)).root.key
        for loras in ("", "noir", "noir:0.5")
    }
    assert len(set(keys.values())) == 3
    with pytest.raises(DiffScalerError, match="no model called 'anna'"):
        recipes.of(Text2VideoRequest(prompt="a dog", model="motion", seed=1, loras="anna"))
    with pytest.raises(InvalidRequest, match="takes no LoRAs"):
        save_tiny("modelscope", studio.settings.models_dir / "ms")
        recipes.of(Text2VideoRequest(prompt="a dog", model="ms", seed=1, loras="noir"))
