"""Realistic degradations: kernels as their equations have them, noise as strong as asked, files really compressed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from diffscaler.upscale.network import PreviewUpscaler
from training.upscaler.degrade import (
    FIRST,
    SECOND,
    bessel_j1,
    blur_kernel,
    degraded,
    filtered,
    gaussian_noise,
    h264,
    jpeg,
    kernel,
    poisson_noise,
    sinc,
    sinc_kernel,
)
from training.upscaler.recipe import UpscalerStage


def picture(side: int = 96, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128, 160, (side, side, 3))
    return cv2.GaussianBlur(noise, (0, 0), 2).clip(0, 255).astype(np.uint8)


def test_kernels_add_up_to_one_and_a_round_gaussian_is_opencv_s() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        for made in (blur_kernel(FIRST, rng), blur_kernel(SECOND, rng), sinc_kernel(rng)):
            assert np.isclose(made.sum(), 1, atol=1e-4) and made.shape[0] == made.shape[1] and made.shape[0] % 2
            assert np.allclose(made, made[::-1, ::-1], atol=1e-6)
    line = cv2.getGaussianKernel(13, 1.7)
    assert np.allclose(kernel(13, 1.7, 1.7, 0.4, 1.0, "gaussian"), line @ line.T, atol=1e-6)


def test_a_stretched_kernel_lies_along_its_angle_and_a_plateau_is_flatter() -> None:
    long = kernel(15, 3, 0.5, 0, 1.0, "gaussian")
    assert np.allclose(kernel(15, 3, 0.5, np.pi / 2, 1.0, "gaussian"), long.T, atol=1e-6)
    assert long.sum(0).var() < long.sum(1).var()
    flat, round_ = kernel(15, 2, 2, 0, 2.0, "plateau"), kernel(15, 2, 2, 0, 1.0, "gaussian")
    assert flat[7, 8] / flat[7, 7] > round_[7, 8] / round_[7, 7]


def test_a_sinc_filter_takes_away_what_is_finer_than_its_cutoff() -> None:
    assert np.allclose(bessel_j1(np.array([0.0, 1.0, 3.8317])), [0, 0.440051, 0], atol=1e-4)
    x = np.arange(64)
    waves = [np.repeat(np.sin(w * x)[None, :, None], 64, 0).repeat(3, 2).astype(np.float32) for w in (0.4, 2.6)]
    coarse, fine = (filtered(wave, sinc(21, np.pi / 3))[16:48, 16:48].std() / wave.std() for wave in waves)
    assert coarse > 0.9 and fine < 0.1


def test_noise_is_as_strong_as_asked_grey_where_asked_and_shot_noise_grows_with_light() -> None:
    flat, rng = np.full((128, 128, 3), 120, np.float32), np.random.default_rng(0)
    colour, grey = (gaussian_noise(flat, 12.0, same, rng) - flat for same in (False, True))
    assert abs(colour.std() - 12) < 0.3 and np.ptp(grey, axis=-1).max() == 0 < np.ptp(colour, axis=-1).max()
    ramp = np.repeat(np.linspace(20, 230, 128, dtype=np.float32)[None, :, None], 128, 0).repeat(3, 2)
    shot = poisson_noise(ramp, 1.0, False, rng) - ramp
    assert abs(shot.mean()) < 1 and shot[:, 96:].std() > 1.5 * shot[:, :32].std()


@pytest.mark.parametrize("shape", [(96, 96), (33, 47), (5, 7)])
def test_files_are_really_compressed(shape: tuple[int, int]) -> None:
    clean = picture()[: shape[0], : shape[1]]
    for good, bad in ((jpeg(clean, 95), jpeg(clean, 20)), (h264(clean, 8), h264(clean, 45))):
        errors = [np.abs(made.astype(int) - clean).mean() for made in (good, bad)]
        assert good.shape == bad.shape == clean.shape and errors[0] < errors[1] < 60


@pytest.mark.parametrize("scale", [2, 4])
def test_a_degraded_picture_is_the_smaller_one_made_worse_and_the_seed_is_all_its_chance(scale: int) -> None:
    high = picture(96)
    clean = cv2.resize(high, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA).astype(int)
    errors = []
    for seed in range(12):
        made = degraded(high, scale, np.random.default_rng(seed))
        assert made.shape == clean.shape and made.dtype == np.uint8
        errors.append(np.abs(made - clean).mean())
    assert np.array_equal(made, degraded(high, scale, np.random.default_rng(11)))
    assert np.median(errors) > 4 and min(errors) > 1 and np.std(errors) > 1


def test_the_recipe_wears_the_share_it_is_told_and_still_learns_the_clean_picture() -> None:
    torch.manual_seed(0)
    stages = [UpscalerStage(PreviewUpscaler(2, 8, 1), [picture(128)], 9, 6, 1e-3, 0, share) for share in (0.0, 1.0)]
    (clean, truth), (worn, same) = (stage._patches(np.random.default_rng(3)) for stage in stages)
    assert clean.shape == worn.shape == (6, 3, 24, 24) and truth.shape == same.shape
    down = torch.nn.functional.avg_pool2d
    assert (down(truth, 2) - clean).abs().mean() < 0.02 < (down(same, 2) - worn).abs().mean()
    loss, _ = stages[1].step(0)
    assert np.isfinite(loss)
