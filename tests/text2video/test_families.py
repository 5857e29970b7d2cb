"""Families that run in the library's own pipelines: the same results as those, through the studio's one code path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.traits import read_families
from diffscaler.requests import Text2VideoRequest
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.load import load_pipeline
from tests.jobs.test_worker import finish
from tests.text2video.resuming import check_resumes
from tests.text2video.tiny_families import FAMILIES, save_tiny


class Float32:
    torch_name, dtype, name = "cpu", "float32", "CPU"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("families")
    for name in FAMILIES:
        save_tiny(name, root / "models" / f"tiny-{name}")
    return root


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def loaded(request: pytest.FixtureRequest, home: Path) -> Iterator[tuple[str, Any, Any]]:
    spec = text2video_folder(home / "models" / f"tiny-{request.param}")
    yield request.param, spec, load_pipeline(spec, Float32())


def picture_for(spec: Any, size: tuple[int, int]) -> np.ndarray | None:
    if spec.traits.image == "none":
        return None
    return np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def sampling_for(name: str, spec: Any, seed: int = 3, **changes: Any) -> Sampling:
    width, height, frames = FAMILIES[name][1]
    given = {"guidance_scale": 3.0, "fps": float(spec.native["fps"]), "picture": picture_for(spec, (width, height))}
    return Sampling(width, height, frames, 2, seed=seed, **(given | changes))


def words(model: Any, spec: Any) -> dict[str, np.ndarray]:
    return model.encode_text("a dog", "rain") if spec.traits.words else {}


def test_a_seed_is_a_clip_and_steps_are_seen_and_may_stop(loaded: Any) -> None:
    name, spec, model = loaded
    seen: list[tuple[int, int]] = []
    text = words(model, spec)
    first = model.denoise(text, sampling_for(name, spec), lambda done, total, clean: seen.append((done, total)))
    assert np.isfinite(first).all() and first.dtype == np.float32
    assert seen == [(1, 2), (2, 2)]
    assert np.array_equal(first, model.denoise(text, sampling_for(name, spec), lambda *step: None))
    assert not np.allclose(first, model.denoise(text, sampling_for(name, spec, seed=4), lambda *step: None))

    def stop(done: int, total: int, clean: np.ndarray) -> None:
        assert model.preview(clean, 2).shape[1:] == (*FAMILIES[name][1][1::-1], 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.denoise(text, sampling_for(name, spec), stop)
    # A run that was stopped leaves nothing behind.
    assert np.array_equal(first, model.denoise(text, sampling_for(name, spec), lambda *step: None))


def test_drawing_goes_on_where_it_was_stopped(loaded: Any, tmp_path: Path) -> None:
    name, spec, model = loaded
    text, sampling = words(model, spec), sampling_for(name, spec)
    check_resumes(model, lambda on_step: model.denoise(text, sampling, on_step), tmp_path / "tape", 1)


def test_the_clip_equals_the_librarys_own_call(loaded: Any, home: Path) -> None:
    _, spec, _ = loaded
    for given_picture in {"none": [False], "needed": [True], "optional": [True, False]}[spec.traits.image]:
        check_against_the_library(loaded, home, given_picture)


def check_against_the_library(loaded: Any, home: Path, given_picture: bool) -> None:
    import diffusers
    import torch

    name, spec, model = loaded
    sampling = sampling_for(name, spec, **({} if given_picture else {"picture": None}))
    ours = model.decode(model.denoise(words(model, spec), sampling, lambda *step: None))
    kind = spec.family.pipelines[given_picture and spec.traits.image == "optional"]
    pipeline = getattr(diffusers, kind).from_pretrained(home / "models" / f"tiny-{name}", local_files_only=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    if name.startswith("hunyuan15"):
        pipeline.guider.guidance_scale = 3.0
    # The noise is the studio's own (the CPU's, whatever the device), except where the pipeline draws it.
    generator = torch.Generator("cpu").manual_seed(sampling.seed)
    noise = model.noise(sampling, generator)
    given: dict[str, Any] = {} if noise is None else {"latents": noise}
    given |= {"prompt": "a dog", "negative_prompt": "rain"} if spec.traits.words else {}
    arguments = model.arguments(sampling) if hasattr(model, "arguments") else {"guidance_scale": 3.0}
    given |= {key: value for key, value in arguments.items() if key != "guidance_rescale"}
    if name != "hunyuan15-picture":  # which takes its size from the picture
        given |= {"width": sampling.width, "height": sampling.height}
    theirs = pipeline(
        **given, num_frames=sampling.num_frames, num_inference_steps=2, generator=generator, output_type="np"
    ).frames[0]
    assert ours.shape == np.asarray(theirs).shape
    assert np.abs(ours / 255 - np.asarray(theirs)).max() < 1.01 / 255


@pytest.mark.parametrize(
    ("trait", "change"), [("rescales", {"guidance_rescale": 1.0}), ("shares_noise", {"shared_noise": 0.7})]
)
def test_what_a_family_says_it_can_do_is_what_it_does(loaded: Any, trait: str, change: dict[str, float]) -> None:
    name, spec, model = loaded
    text = words(model, spec)
    plain, changed = (
        model.denoise(text, sampling_for(name, spec, **values), lambda *step: None) for values in ({}, change)
    )
    assert np.array_equal(plain, changed) != getattr(spec.traits, trait)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_half_precision_as_on_a_card_runs_through_and_stays_near(name: str, home: Path) -> None:
    """bfloat16 on the CPU: what would mix number formats on a card does so here."""

    class BFloat16:
        torch_name, dtype, name = "cpu", "bfloat16", "CPU"

    spec = text2video_folder(home / "models" / f"tiny-{name}")
    clips = []
    for device in (Float32(), BFloat16()):
        model = load_pipeline(spec, device)
        latents = model.denoise(words(model, spec), sampling_for(name, spec), lambda *step: None)
        assert np.isfinite(latents).all()
        clips.append(model.decode(latents).astype(np.float64))
    assert np.abs(clips[0] - clips[1]).mean() < 12


def test_every_sampler_of_the_menu_runs_and_others_are_refused(loaded: Any) -> None:
    name, spec, model = loaded
    text = words(model, spec)
    for scheduler in spec.traits.samplers:
        latents = model.denoise(text, sampling_for(name, spec, scheduler=scheduler), lambda *step: None)
        assert np.isfinite(latents).all(), scheduler
    if "native" not in spec.traits.samplers and not spec.traits.samplers:
        return
    with pytest.raises(InvalidRequest) as caught:
        model.denoise(text, sampling_for(name, spec, scheduler="magic"), lambda *step: None)
    assert caught.value.hint


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_damaged_part_is_said_in_one_sentence(name: str, home: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(home / "models" / f"tiny-{name}", tmp_path / name))
    part = next(path for path in sorted(folder.glob("*/*.safetensors")) if path.parent.name != "motion_adapter")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(ModelNotFound, match="cannot be loaded") as caught:
        load_pipeline(text2video_folder(folder), Float32())
    assert "\n" not in str(caught.value) and caught.value.hint


def test_pickled_weights_are_not_read(home: Path, tmp_path: Path) -> None:
    import shutil

    import torch
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(home / "models" / "tiny-wan", tmp_path / "wan"))
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelNotFound, match="cannot be loaded"):
        load_pipeline(text2video_folder(folder), Float32())


def test_every_family_goes_through_the_queue_into_a_file(home: Path) -> None:
    studio = Studio(Settings(data_dir=home, worker_idle_s=2, device="cpu", threads=1))
    Image.fromarray(np.full((48, 80, 3), 120, np.uint8)).save(home / "still.png")
    still = studio.add_file(home / "still.png").key
    listed = {spec.name: spec for spec in studio.catalogue.specs("text2video")}
    assert {f"tiny-{name}" for name in FAMILIES} <= set(listed)
    jobs = {}
    for name in sorted(FAMILIES):
        picture = None if listed[f"tiny-{name}"].traits.image == "none" else still
        jobs[name] = studio.submit(Text2VideoRequest(prompt="a dog", model=f"tiny-{name}", seed=1, picture=picture))
    for name, job in jobs.items():
        ended = finish(studio, job)
        assert ended.state == "done", (name, ended.sentence, ended.trace)
        meta = studio.library.clip(ended.result or "").meta
        width, height, frames = FAMILIES[name][1]
        assert (meta.width, meta.height, meta.num_frames) == (width, height, frames), name


def test_every_familys_file_is_valid_and_names_code_that_exists() -> None:
    from importlib import import_module

    cards = read_families()
    assert len({pipeline for card in cards for pipeline in card.pipelines}) >= 9
    for card in cards:
        module, _, name = card.loader.partition(":")
        assert hasattr(import_module(module), name), card.loader
        native = Text2VideoRequest(
            prompt="a dog", **{k: v for k, v in card.native.items() if k in Text2VideoRequest.model_fields}
        )
        assert card.traits.legal_frames(native.num_frames or 1) == native.num_frames, card.name
        assert (native.width or 0) % card.traits.size_step == 0 == (native.height or 0) % card.traits.size_step
