"""Background smoothing of Text2Video-Zero: its arithmetic, who finds the foreground, and the way through the studio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffscaler import compat
from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.catalogue import Catalogue, text2video_folder
from diffscaler.models.spec import ModelSpec
from diffscaler.requests import Text2VideoRequest
from diffscaler.sampling_choices import with_native
from diffscaler.settings import Settings
from diffscaler.studio import Studio
from diffscaler.text2video.background import latent_masks, smoothed
from diffscaler.text2video.family import Sampling
from diffscaler.text2video.foreground import BorderContrast
from tests.text2video.here import made_here
from tests.text2video.test_frugal import Plain

SAMPLING = Sampling(32, 32, 4, 10, 4.0, 3)


@dataclass
class Same:
    """Everything, or nothing, is in front."""

    front: bool
    name: str = "the same everywhere"

    def masks(self, frames: np.ndarray) -> np.ndarray:
        return np.full(frames.shape[:3], self.front)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compat.install()
    from tests.text2video.tiny_families import stable_diffusion

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "sd"
    stable_diffusion().save_pretrained(str(path))
    rows = "width = 64\nheight = 64\nnum_frames = 2\nnum_inference_steps = 2\n"
    (path / "model.toml").write_text(f'title = "sd"\n[native]\n{rows}', encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from diffscaler.text2video.load import load_pipeline

    return load_pipeline(text2video_folder(folder), Plain())


def drawn(model: Any, sampling: Sampling, on_step: Any = lambda *step: None) -> np.ndarray:
    return model.denoise(model.encode_text("a dog", "rain"), sampling, on_step)


def test_off_it_is_not_there_and_behind_a_foreground_that_is_everywhere_nothing_changes(model: Any) -> None:
    plain = drawn(model, SAMPLING)
    assert np.array_equal(plain, drawn(model, replace(SAMPLING, smooth_background=0.0, foreground=Same(False))))
    smooth = replace(SAMPLING, smooth_background=0.6)
    assert np.array_equal(plain, drawn(model, replace(smooth, foreground=Same(True))))
    assert np.array_equal(drawn(model, replace(SAMPLING, num_frames=1)), drawn(model, replace(smooth, num_frames=1)))
    seen: list[tuple[int, int]] = []
    open_ground = drawn(model, replace(smooth, foreground=Same(False)), lambda done, n, _: seen.append((done, n)))
    assert np.array_equal(open_ground, drawn(model, replace(smooth, foreground=Same(False))))
    assert not np.allclose(plain, open_ground) and [done for done, _ in seen] == list(range(1, seen[0][1] + 1))
    assert not np.allclose(open_ground, drawn(model, replace(smooth, seed=4, foreground=Same(False))))


def test_frames_agree_more_about_what_they_share(model: Any) -> None:
    """With all of the background taken along, frame k is nearer to the first one moved k times than without."""
    from diffscaler.text2video.zero import SHIFT, shifted

    def apart(share: float) -> float:
        sampling = replace(SAMPLING, smooth_background=share, foreground=Same(False))
        clip = torch.from_numpy(drawn(model, sampling)).transpose(0, 1)
        moved = shifted(clip[:1].expand_as(clip[1:]), [(SHIFT[0] * k, SHIFT[1] * k) for k in range(1, len(clip))])
        return float((clip[1:] - moved).abs().mean())

    assert apart(1.0) < apart(0.5) < apart(0.0)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_it_is_the_papers_formula(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    clip = torch.randn(3, 2, 6, 6, generator=generator)
    masks = (torch.rand(3, 1, 6, 6, generator=generator) > 0.6).float()

    def warp(still: torch.Tensor) -> torch.Tensor:
        return torch.stack([frame.roll(k, -1) for k, frame in enumerate(still, 1)])

    found = smoothed(clip, masks, warp, share)
    assert torch.equal(found[0], clip[0])
    for k in (1, 2):
        background = (1 - masks[k]) * (1 - masks[0].roll(k, -1))
        behind = (clip[0] * (1 - masks[0])).roll(k, -1)
        a = 1 - share
        expected = (1 - background) * clip[k] + background * (a * clip[k] + (1 - a) * behind)
        assert torch.allclose(found[k], expected, atol=1e-6)


def test_masks_are_widened_by_two_latents_on_each_side() -> None:
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 32:40, 16:24] = True  # one latent of 8 x 8 pixels
    (found,) = latent_masks(mask, 8, 8)[0].numpy()
    assert found.sum() == 25 and found[2:7, 0:5].all()


def moving_square(kind: str, size: int = 96, side: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """A square that moves over a background that moves otherwise: uint8 RGB (4, S, S, 3), and where it is."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size]
    frames, truth = [], []
    for k in range(4):
        wave = [np.sin((x + 5 * k) / a) + np.cos((y + 3 * k) / b) for a, b in ((7, 11), (9, 5), (13, 8))]
        ground = np.stack(wave, -1) * {"plain": 0, "busy": 55, "dim": 25, "edge": 25}[kind] + (100, 130, 150)
        top, left = (size - side if kind == "edge" else 33 + 2 * k), 15 + 5 * k
        mask = np.zeros((size, size), bool)
        mask[top : top + side, left : left + side] = True
        ground[mask] = (160, 60, 60) if kind == "dim" else (200, 60, 40)
        frames.append(np.clip(ground + rng.normal(0, 4, ground.shape), 0, 255).astype(np.uint8))
        truth.append(mask)
    return np.stack(frames), np.stack(truth)


@pytest.mark.parametrize("kind", ["plain", "busy", "dim", "edge"])
def test_what_stands_out_is_found_without_any_network(kind: str) -> None:
    """A moving square: intersection over union of what is found and where it is."""
    frames, truth = moving_square(kind)
    found = BorderContrast().masks(frames)
    overlap = [(a & b).sum() / (a | b).sum() for a, b in zip(found, truth, strict=True)]
    assert min(overlap) > 0.85, overlap
    assert np.array_equal(found, BorderContrast().masks(frames)) and found.dtype == bool


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (64, 64)])
def test_a_picture_of_one_colour_has_no_foreground(shape: tuple[int, int]) -> None:
    assert not BorderContrast().masks(np.full((1, *shape, 3), 90, np.uint8)).any()


def test_classes_are_in_front_that_are_not_called_or_placed_as_background() -> None:
    from diffscaler.text2video.annotators.segments import in_front

    labels = np.zeros((40, 40), np.int64)  # a wall
    labels[30:] = 3  # and a floor, both to the border
    labels[10:30, 10:30] = 7
    assert np.array_equal(in_front(labels, frozenset()), labels == 7)
    assert np.array_equal(in_front(labels, frozenset({0})), labels != 0)


def save_tiny_segmenter(path: Path) -> Path:
    compat.install()
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    torch.manual_seed(0)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2],
        num_attention_heads=[1, 2], mlp_ratios=[1, 1], decoder_hidden_size=8, num_labels=3,
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(path)
    SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(path)
    return path


def test_a_segmentation_model_of_the_users_is_asked_and_named(folder: Path, tmp_path: Path) -> None:
    import shutil

    settings = Settings(data_dir=tmp_path)
    studio = Studio(settings)
    shutil.copytree(folder, settings.models_dir / "sd")
    save_tiny_segmenter(settings.models_dir / "things")
    assert [spec.name for spec in Catalogue(settings).specs("segmenter")] == ["things"]
    ask = Text2VideoRequest(prompt="a dog", model="sd", seed=1, smooth_background=0.6)
    plain = studio.recipe(ask.model_copy(update={"smooth_background": 0.0})).root.inputs[0].inputs[0]
    assert "smooth_background" not in plain.params
    with pytest.raises(ModelNotFound, match="no model called 'people'") as caught:
        studio.recipe(ask.model_copy(update={"foreground": "people"}))
    assert "things" in caught.value.hint
    for finder, name in (("", BorderContrast.name), ("things", "things")):
        latents = made_here(studio, ask.model_copy(update={"foreground": finder})).node.inputs[0].inputs[0]
        note = f"Background smoothed at 0.6; in front of it: {name}."
        assert note in studio.library.clip(latents.key).notes
        assert [ref.name for ref in latents.models] == (["sd", "things"] if finder else ["sd"])


def test_families_that_cannot_say_so() -> None:
    spec = ModelSpec(name="x", title="The model", kind="text2video", loader="x:y")
    with pytest.raises(InvalidRequest, match="cannot take a background along") as caught:
        with_native(Text2VideoRequest(prompt="a dog", smooth_background=0.5), spec)
    assert caught.value.hint
