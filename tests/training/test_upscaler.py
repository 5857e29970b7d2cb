import numpy as np
import torch
from safetensors.torch import load_file

from diffscaler.upscale.network import PreviewUpscaler
from training.commands import run
from training.config import TrainingConfig
from training.upscaler.evaluate import enlarge, load_upscaler, psnr_y, resize


def test_a_fresh_network_is_the_bicubic_enlargement():
    image = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    assert np.abs(enlarge(PreviewUpscaler(4), image).astype(int) - resize(image, 36, 28)).max() <= 1


def test_any_size_down_to_one_pixel():
    for scale in (2, 4):
        network = PreviewUpscaler(scale, 8, 1)
        for height, width in ((1, 1), (1, 5), (7, 3)):
            out = network(torch.rand(2, 3, height, width))
            assert out.shape == (2, 3, scale * height, scale * width)


def test_a_short_training_beats_bicubic_on_a_picture_it_has_not_seen(tmp_path):
    from training.upscaler.recipe import train_upscaler

    def grain(seed):
        import cv2

        noise = np.random.default_rng(seed).normal(128, 200, (128, 128, 3))
        return cv2.GaussianBlur(noise, (0, 0), 1.2).clip(0, 255).astype(np.uint8)

    config = TrainingConfig(
        recipe="upscaler",
        output_dir=str(tmp_path),
        init="",
        scale=2,
        upscaler_width=16,
        upscaler_depth=2,
        upscaler_steps=60,
        upscaler_batch=8,
        learning_rate=2e-3,
        threads=1,
        sample_every=0,
    )
    path = train_upscaler(config, False, [grain(i) for i in range(4)])
    network, unseen = load_upscaler(path), grain(99)
    small = resize(unseen, 64, 64)
    assert psnr_y(enlarge(network, small), unseen, 2) > psnr_y(resize(small, 128, 128), unseen, 2) + 0.3


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path):
    def settings(name):
        return TrainingConfig(
            recipe="upscaler",
            output_dir=str(tmp_path / name),
            init="",
            scale=2,
            upscaler_width=8,
            upscaler_depth=1,
            upscaler_steps=4,
            upscaler_batch=2,
            threads=1,
            sample_every=0,
        )

    class StopAfterTwo:
        looks = 2

        def __bool__(self):
            self.looks -= 1
            return self.looks < 0

    whole = load_file(run(settings("whole"), False))
    assert run(settings("stopped"), StopAfterTwo()) is None
    assert (tmp_path / "stopped" / "model" / "x2.safetensors").exists()
    resumed = load_file(run(settings("stopped"), False))
    assert max((whole[k] - resumed[k]).abs().max().item() for k in whole) <= 1e-6
