"""The family's promises: one seed one clip, a picture at every step, one pass where one is enough."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.errors import InvalidRequest
from diffscaler.text2video.family import draw
from diffscaler.text2video.unet3d.diffusion import (
    cosine_alphas_cumprod,
)
from diffscaler.text2video.unet3d.family import Unet3DFamily
from tests.text2video.resuming import check_resumes
from tests.text2video.tiny_unet3d import (
    WORDLESS,
    save_tiny_unet3d,
)
from tests.text2video.unet3d.common import SAMPLING, ignore, load


def test_the_same_seed_is_the_same_clip_and_another_seed_is_not(wordless: Unet3DFamily) -> None:
    text = wordless.encode_text("a dog", "")
    first = wordless.denoise(text, SAMPLING, ignore)
    torch.manual_seed(99)  # the process's own randomness plays no part
    again = wordless.denoise(text, SAMPLING, ignore)
    other = wordless.denoise(text, replace(SAMPLING, seed=8), ignore)
    assert first.shape == (3, 3, 16, 16) and first.dtype == np.float32
    assert np.abs(first).max() <= 1 and first.std() > 0.1
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_every_step_shows_a_clean_clip_and_may_stop(wordless: Unet3DFamily) -> None:
    seen: list[tuple[int, int]] = []

    def on_step(done: int, total: int, clean: np.ndarray) -> None:
        seen.append((done, total))
        assert clean.shape == (3, 3, 16, 16) and np.abs(clean).max() <= 1
        assert wordless.preview(clean, 2).shape == (2, 16, 16, 3)
        if done == 2:
            raise KeyboardInterrupt

    text = wordless.encode_text("", "")
    before = wordless.denoise(text, SAMPLING, ignore)
    with pytest.raises(KeyboardInterrupt):
        wordless.denoise(text, SAMPLING, on_step)
    assert seen == [(1, 4), (2, 4)]
    assert np.array_equal(wordless.denoise(text, SAMPLING, ignore), before)  # nothing is left behind


def test_drawing_goes_on_where_it_was_stopped(wordless: Unet3DFamily, tmp_path: Path) -> None:
    check_resumes(wordless, lambda on_step: wordless.denoise({}, SAMPLING, on_step), tmp_path / "tape", 2)


def test_the_last_step_shows_what_is_returned(wordless: Unet3DFamily) -> None:
    shown: list[np.ndarray] = []
    clip = wordless.denoise({}, SAMPLING, lambda done, total, clean: shown.append(clean))
    assert np.array_equal(shown[-1], clip) and not np.array_equal(shown[0], clip)


@pytest.mark.parametrize(("asked", "made"), [(1, 1), (4, 4), (10, 10), (50, 10)])
def test_there_are_no_more_steps_than_noise_levels(wordless: Unet3DFamily, asked: int, made: int) -> None:
    seen: list[tuple[int, int]] = []
    sampling = replace(SAMPLING, num_inference_steps=asked, num_frames=1)
    wordless.denoise({}, sampling, lambda done, total, clean: seen.append((done, total)))
    assert seen == [(done, made) for done in range(1, made + 1)]


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_guidance_one_is_one_forward_pass(words: Unet3DFamily, wordless: Unet3DFamily, scale: float) -> None:
    rows: list[int] = []
    sampling = replace(SAMPLING, guidance_scale=scale)
    for model, expected in ((words, 1 if scale == 1 else 2), (wordless, 1)):
        hook = model.network.register_forward_pre_hook(lambda _, given_: rows.append(len(given_[0])))
        try:
            model.denoise(model.encode_text("a dog", ""), sampling, ignore)
        finally:
            hook.remove()
        assert rows == [expected] * 4
        rows.clear()


@pytest.mark.parametrize("negative", ["", "rain"])
def test_guidance_leads_from_no_words_to_the_words(words: Unet3DFamily, negative: str) -> None:
    """One step from the noisiest level, so that the clip is the guided prediction, worked out here by hand."""
    text = words.encode_text("a dog", negative)
    sampling = replace(SAMPLING, num_inference_steps=1, guidance_scale=3.0)
    drawn = words.denoise(text, sampling, ignore)
    noisy = torch.randn((1, 3, 3, 16, 16), generator=torch.Generator().manual_seed(7))
    time, cond = torch.tensor([9]), torch.from_numpy(text["prompt_embeds"])
    kept = float(cosine_alphas_cumprod(10)[9])
    with torch.inference_mode():
        with_words = words.network(noisy, time, cond)
        if negative:
            without = words.network(noisy, time, torch.from_numpy(text["negative_prompt_embeds"]))
        else:
            without = words.network(noisy, time, cond, torch.tensor([True]))
        guided = without + 3 * (with_words - without)
        expected = ((noisy - math.sqrt(1 - kept) * guided) / math.sqrt(kept)).clamp(-1, 1)
    assert (with_words - without).abs().max() > 1e-3
    # The noisiest level divides by alpha = 0.0016: rounding of two rows at once instead of one shows there.
    assert np.abs(drawn - expected[0].numpy()).max() < 1e-2


def test_the_prompt_and_its_opposite_steer(words: Unet3DFamily) -> None:
    base = words.denoise(words.encode_text("a dog", ""), SAMPLING, ignore)
    for prompt, negative in (("a cat", ""), ("a dog", "rain")):
        other = words.denoise(words.encode_text(prompt, negative), SAMPLING, ignore)
        assert np.abs(base - other).max() > 1e-3


@pytest.mark.parametrize(("frames", "width", "height"), [(1, 16, 16), (7, 13, 10), (5, 1, 3)])
def test_odd_lengths_and_sizes_work(wordless: Unet3DFamily, frames: int, width: int, height: int) -> None:
    sampling = replace(SAMPLING, num_frames=frames, width=width, height=height)
    shapes: list[tuple[int, ...]] = []
    clip = wordless.denoise({}, sampling, lambda done, total, clean: shapes.append(clean.shape))
    assert clip.shape == (3, frames, height, width) and shapes == [clip.shape] * 4
    assert wordless.decode(clip).shape == (frames, height, width, 3)


def test_the_sampler_can_be_chosen(wordless: Unet3DFamily) -> None:
    native, ancestral, ddim = (
        wordless.denoise({}, replace(SAMPLING, scheduler=name), ignore) for name in ("native", "ancestral", "ddim")
    )
    assert np.array_equal(native, ancestral) and np.abs(native - ddim).max() > 0.01
    with pytest.raises(InvalidRequest, match="no sampler 'unipc'"):
        wordless.denoise({}, replace(SAMPLING, scheduler="unipc"), ignore)


def test_frames_may_share_their_noise(wordless: Unet3DFamily) -> None:
    own, shared = (
        wordless.denoise({}, replace(SAMPLING, shared_noise=share), ignore).std(axis=1).mean() for share in (0.0, 1.0)
    )
    assert shared < own / 2


def test_pixels_become_pictures(wordless: Unet3DFamily) -> None:
    levels = np.array([-3, -1, -0.5, 0, 0.5, 1, 3], np.float32)
    expected = np.array([0, 0, 64, 128, 191, 255, 255], np.uint8)
    colour = np.stack([levels, levels[::-1], levels])[:, :, None, None].repeat(2, axis=3)
    pictures = wordless.decode(colour)
    assert pictures.shape == (7, 1, 2, 3) and pictures.dtype == np.uint8 and pictures.flags.c_contiguous
    assert np.array_equal(pictures[:, 0, 0], np.stack([expected, expected[::-1], expected], axis=-1))
    grey = wordless.decode(levels[None, :, None, None])
    assert np.array_equal(grey[:, 0, 0], np.stack([expected] * 3, axis=-1))
    alpha = np.array([1, 1, 1, -1, 0], np.float32)[None].repeat(4, axis=0)
    alpha[:3] = 1
    assert wordless.decode(alpha[:, :, None, None])[:, 0, 0, 0].tolist() == [255, 255, 255, 0, 128]
    assert np.array_equal(pictures[3:4], wordless.decode(colour[:, 3:4]))  # a frame depends on itself alone


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_networks_draw_colour_clips(tmp_path: Path, channels: int) -> None:
    model = load(save_tiny_unet3d(tmp_path, replace(WORDLESS, channels=channels)))
    native = {"width": 16, "height": 16, "num_frames": 3, "num_inference_steps": 2, "guidance_scale": 2.0}
    clip = draw(model, native, "a dog", seed=1)
    assert clip.shape == (3, 16, 16, 3) and clip.dtype == np.uint8
    assert (channels == 1) == bool((clip == clip[..., :1]).all())
