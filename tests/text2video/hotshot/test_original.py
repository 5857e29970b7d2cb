"""Hotshot-XL's network gives the original's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffscaler import compat

compat.install()  # before the first import of diffusers


from diffscaler.text2video.bypass import bypass_temporal  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    norm_mode,
    set_norm_mode,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, draw, far  # noqa: E402


@pytest.fixture(scope="module")
def original() -> dict[str, np.ndarray]:
    with np.load(tiny.DATA / "hotshot_tiny.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in ("y", "y_notemporal", "y_controlnet")}


def test_a_clip_is_the_originals_to_the_last_digits(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    assert loaded.dtype == torch.float64 and norm_mode(loaded) == "hotshot"
    assert far(draw(loaded), original["y"]) < 1e-12


def test_without_temporal_layers_it_is_the_originals_too(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    with bypass_temporal(loaded):
        assert far(draw(loaded), original["y_notemporal"]) < 1e-12


def test_with_a_controlnets_residuals_it_is_the_originals_too(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    shapes = [(32, 8, 12)] * 3 + [(32, 4, 6)] + [(64, 4, 6)] * 2 + [(64, 2, 3)] * 3
    clips = [0.3 * tiny.random(10 + i, 2, c, 5, h, w) for i, (c, h, w) in enumerate(shapes)]
    folded = [clip.transpose(1, 2).flatten(0, 1) for clip in [*clips, 0.3 * tiny.random(30, 2, 64, 5, 2, 3)]]
    drawn = draw(loaded, down_block_additional_residuals=folded[:-1], mid_block_additional_residual=folded[-1])
    assert far(drawn, original["y_controlnet"]) < 1e-12


def test_the_librarys_own_norms_are_not_the_originals(unet: Unet, original: dict[str, np.ndarray]) -> None:
    set_norm_mode(unet, "per-frame")
    assert far(draw(unet), original["y"]) > 0.1


def test_the_positional_codes_compared_with_are_sinusoids_in_single_precision() -> None:
    for channels in (32, 64):
        assert far(tiny.original_positions(channels), tiny.sinusoids(tiny.POSITIONS, channels)) < 2e-7
