"""The published network, weight for weight and number for number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.text2video.unet3d.attention import bucket
from diffscaler.text2video.unet3d.diffusion import (
    cosine_alphas_cumprod,
)
from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
from tests.text2video.tiny_unet3d import (
    WORDLESS,
    WORDS,
    filled,
)

FIXTURE = Path(__file__).parent.parent.parent / "data" / "unet3d_tiny.npz"


@pytest.fixture(scope="module")
def reference() -> Mapping[str, np.ndarray]:
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def network(reference: Mapping[str, np.ndarray]) -> Unet3D:
    said = json.loads(str(reference["cfg"]))
    assert said.pop("use_bert_text_cond") is True
    said["dim_mults"] = tuple(said["dim_mults"])
    return filled(Unet3D(Unet3DConfig(cond_dim=768, **said)).double()).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    clip = np.random.RandomState(1).standard_normal((2, 3, 5, 16, 16))
    cond = np.random.RandomState(2).standard_normal((2, 768))
    return torch.from_numpy(clip), torch.tensor([3, 7]), torch.from_numpy(cond)


def test_its_weights_have_the_published_names_in_their_order(
    network: Unet3D, reference: Mapping[str, np.ndarray]
) -> None:
    assert [name for name, _ in network.named_parameters()] == reference["param_names"].tolist()


@pytest.mark.parametrize(
    ("name", "masks"), [("y", {}), ("y_null", {"null_mask": True}), ("y_focus", {"focus_present_mask": True})]
)
def test_it_answers_what_the_published_one_answers(
    network: Unet3D, reference: Mapping[str, np.ndarray], name: str, masks: dict[str, bool]
) -> None:
    given_masks = {key: torch.full((2,), value) for key, value in masks.items()}
    with torch.inference_mode():
        answer = network(*inputs(), **given_masks).numpy()
    assert np.abs(answer - reference[name]).max() <= 1e-12


def test_masks_act_on_their_own_clip_alone(network: Unet3D, reference: Mapping[str, np.ndarray]) -> None:
    first = torch.tensor([True, False])
    with torch.inference_mode():
        nulled = network(*inputs(), null_mask=first).numpy()
        focused = network(*inputs(), focus_present_mask=first).numpy()
    for answer, name in ((nulled, "y_null"), (focused, "y_focus")):
        assert np.abs(answer[0] - reference[name][0]).max() <= 1e-12
        assert np.abs(answer[1] - reference["y"][1]).max() <= 1e-12
        assert np.abs(reference[name] - reference["y"]).max() > 1e-6  # the masks do something


def test_its_noise_schedule_is_the_stored_one(reference: Mapping[str, np.ndarray]) -> None:
    stored = reference["alphas_cumprod10"]
    assert stored.dtype == np.float32
    assert np.abs(cosine_alphas_cumprod(10).float().numpy() - stored).max() <= 1e-12


def test_focused_frames_see_each_other_in_the_stem_and_nowhere_else(network: Unet3D) -> None:
    clip, time, cond = inputs()
    changed = clip.clone()
    changed[:, :, 0] += 1
    focus = torch.tensor([True, True])
    stem = network.init_temporal_attn.fn.fn.fn.to_out.weight
    kept = stem.data.clone()
    with torch.inference_mode():
        leak = network(clip, time, cond, None, focus) - network(changed, time, cond, None, focus)
        stem.zero_()
        no_leak = network(clip, time, cond, None, focus) - network(changed, time, cond, None, focus)
        stem.copy_(kept)
    assert leak[:, :, 1:].abs().max() > 1e-6
    assert no_leak[:, :, 0].abs().max() > 1e-3 and no_leak[:, :, 1:].abs().max() < 1e-14


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
def test_any_number_of_frames_goes_through(num_frames: int) -> None:
    network = filled(Unet3D(WORDLESS)).eval()
    with torch.inference_mode():
        answer = network(torch.zeros(1, 3, num_frames, 8, 12), torch.tensor([3]))
    assert answer.shape == (1, 3, num_frames, 8, 12) and answer.isfinite().all()


def test_what_does_not_fit_is_refused() -> None:
    network, with_words = Unet3D(WORDLESS), Unet3D(WORDS)
    clip, time = torch.zeros(1, 3, 2, 8, 8), torch.tensor([3])
    with pytest.raises(ValueError, match="multiples of 2"):
        network(clip[..., :7], time)
    with pytest.raises(ValueError, match="text vector"):
        network(clip, time, torch.zeros(1, 16))
    with pytest.raises(ValueError, match="text vector"):
        with_words(clip, time)
    for wrong in (
        {"dim": 7},
        {"dim": 2},
        {"dim_mults": ()},
        {"attn_dim_head": 3},
        {"cond_dim": 0},
        {"init_kernel_size": 4},
    ):
        with pytest.raises(ValueError, match="must be"):
            replace(WORDLESS, **wrong)


def test_distances_fall_into_the_buckets_of_t5() -> None:
    distance = torch.arange(-64, 65)
    found = bucket(distance)
    assert found.min() == 0 and found.max() == 31
    assert torch.equal(found[distance > 0], found[distance < 0].flip(0) + 16)
    past = found[distance <= 0].flip(0)
    assert past[:8].tolist() == list(range(8))  # one frame each
    assert (past.diff() >= 0).all() and past[8] == 8 and (past[32:] == 15).all()
