"""A diffusers folder becomes clips: deterministic, stoppable, sharpening, by the one code path every model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffscaler.errors import ModelNotFound
from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.models.device import pick_device
from diffscaler.settings import Settings
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from tests.text2video.tiny import save_tiny_animatediff

SAMPLING = Sampling(width=32, height=32, num_frames=4, num_inference_steps=3, guidance_scale=4.0, seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_animatediff(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_pipeline(text2video_folder(folder), pick_device("cpu"))


def test_the_same_seed_is_the_same_clip_and_another_seed_is_not(model: Any) -> None:
    text = model.encode_text("a dog", "")
    first = model.denoise(text, SAMPLING, lambda *step: None)
    again = model.denoise(text, SAMPLING, lambda *step: None)
    other = model.denoise(text, Sampling(**{**vars(SAMPLING), "seed": 8}), lambda *step: None)
    assert first.shape == (4, 4, 8, 8)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_our_loop_equals_the_library_pipeline(folder: Path, tmp_path: Path, shared: float) -> None:
    import shutil

    import torch
    from diffusers import AnimateDiffPipeline

    from diffscaler.text2video.noise import mixed_noise, write_shared_noise

    folder = Path(shutil.copytree(folder, tmp_path / "model"))
    write_shared_noise(folder, shared)

    class Float32:
        torch_name, dtype, name = "cpu", "float32", "CPU"

    ours = load_pipeline(text2video_folder(folder), Float32())
    text = ours.encode_text("a dog", "rain")
    latents = ours.denoise(text, SAMPLING, lambda *step: None)
    pipe = AnimateDiffPipeline.from_pretrained(str(folder), local_files_only=True)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.eval()
    reference = pipe(
        "a dog",
        negative_prompt="rain",
        width=32,
        height=32,
        num_frames=4,
        num_inference_steps=3,
        guidance_scale=4.0,
        latents=mixed_noise((1, 4, 4, 8, 8), shared, torch.Generator("cpu").manual_seed(7)),
        output_type="latent",
    ).frames
    assert np.abs(reference[0].numpy() - latents).max() < 1e-4


def test_the_prompt_and_its_opposite_steer(model: Any) -> None:
    base = model.denoise(model.encode_text("a dog", ""), SAMPLING, lambda *step: None)
    assert not np.allclose(base, model.denoise(model.encode_text("a cat", ""), SAMPLING, lambda *step: None))
    assert not np.allclose(base, model.denoise(model.encode_text("a dog", "rain"), SAMPLING, lambda *step: None))


def test_every_step_shows_a_clean_picture_and_may_stop(model: Any) -> None:
    seen: list[tuple[int, int]] = []

    def on_step(done: int, total: int, clean: np.ndarray) -> None:
        seen.append((done, total))
        assert model.decode(clean[:, :1]).shape == (1, 32, 32, 3)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.denoise(model.encode_text("a dog", ""), SAMPLING, on_step)
    assert seen == [(1, 3), (2, 3)]


def test_a_frame_decodes_the_same_alone_and_in_company(model: Any) -> None:
    latents = model.denoise(model.encode_text("a dog", ""), SAMPLING, lambda *step: None)
    whole = model.decode(latents)
    assert whole.dtype == np.uint8 and whole.shape == (4, 32, 32, 3)
    assert np.array_equal(whole[2:3], model.decode(np.ascontiguousarray(latents[:, 2:3])))


def test_a_folder_that_is_no_model_says_so(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(ModelNotFound, match="not a diffusers folder"):
        load_pipeline(text2video_folder(tmp_path), pick_device("cpu"))
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ModelNotFound, match="FluxPipeline"):
        load_pipeline(text2video_folder(tmp_path), pick_device("cpu"))
    (tmp_path / "model_index.json").write_text((folder / "model_index.json").read_text())
    with pytest.raises(ModelNotFound, match="cannot be loaded"):
        load_pipeline(text2video_folder(tmp_path), pick_device("cpu"))


def test_a_folder_moves_and_may_be_read_only(tmp_path: Path, folder: Path, model: Any) -> None:
    import shutil

    moved = tmp_path / "elsewhere, with spaces"
    shutil.copytree(folder, moved)
    for path in moved.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    moved.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in moved.rglob("*")}
    text = model.encode_text("a dog", "")
    there = load_pipeline(text2video_folder(moved), pick_device("cpu"))
    assert np.array_equal(
        model.denoise(text, SAMPLING, lambda *step: None), there.denoise(text, SAMPLING, lambda *step: None)
    )
    assert {path: path.stat().st_mtime_ns for path in moved.rglob("*")} == before
    for path in (moved, *moved.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("damage", ["cut", "empty", "missing"])
def test_a_damaged_weight_file_is_said_in_one_sentence(tmp_path: Path, folder: Path, part: str, damage: str) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "broken")
    weights = next((tmp_path / "broken" / part).glob("*.safetensors"))
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[: 100 if damage == "cut" else 0])
    with pytest.raises(ModelNotFound, match="cannot be loaded") as caught:
        load_pipeline(text2video_folder(tmp_path / "broken"), pick_device("cpu"))
    assert "\n" not in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("text", ["", "{}", '{"shared": 7}', "\xff"])
def test_a_damaged_noise_file_is_said_in_one_sentence(tmp_path: Path, folder: Path, text: str) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / "noise.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelNotFound, match="cannot be loaded") as caught:
        load_pipeline(text2video_folder(tmp_path / "broken"), pick_device("cpu"))
    assert "\n" not in str(caught.value) and caught.value.hint


def test_a_folder_dropped_into_models_is_in_the_list(settings: Settings, folder: Path) -> None:
    import shutil

    shutil.copytree(folder, settings.models_dir / "my film" / "model")
    names = [spec.name for spec in Catalogue(settings).specs("text2video")]
    assert "my-film" in names


def test_a_models_revision_follows_its_weights_and_not_its_card(settings: Settings, folder: Path) -> None:
    import shutil

    shutil.copytree(folder, settings.models_dir / "copy")
    catalogue = Catalogue(settings)
    before = catalogue.ref(catalogue.spec("copy"))
    (settings.models_dir / "copy" / "README.md").write_text("a card")
    assert catalogue.ref(catalogue.spec("copy")) == before
    weights = next((settings.models_dir / "copy" / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes() + b" ")
    assert catalogue.ref(catalogue.spec("copy")) != before
    with pytest.raises(ModelNotFound, match="changed"):
        catalogue.spec_of(before)
