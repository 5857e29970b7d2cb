"""The library's latent upscaler on clips: its own picture on one frame, one noise, faded tiles; twice for four."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler import compat
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.diffusion_upscalers import upscaler_folder
from diffscaler.models.shelf import Shelf
from diffscaler.plan import nodes
from diffscaler.requests import UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.upscale.pair.ssr import to_unit
from diffscaler.upscale.sd.drawing import Noise, Sampling, enlarged
from diffscaler.upscale.sd.latent import LoadedLatent, encoded
from diffscaler.upscale.sd.load import load_latent
from diffscaler.upscale.sd.stage import SdParams, UpscaleSd
from tests.devices import exact_cpu
from tests.text2video.tiny_encoders import clip as clip_text
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for, numbered, video


def checkpoint(folder: Path) -> Path:
    """A tiny random one, in the real format, of the real one's kinds of blocks."""
    compat.install()
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionLatentUpscalePipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 32, 64, 64), layers_per_block=2, sample_size=32, in_channels=8, out_channels=5,
        down_block_types=("KDownBlock2D", *("KCrossAttnDownBlock2D",) * 3), mid_block_type=None, act_fn="gelu",
        up_block_types=(*("KCrossAttnUpBlock2D",) * 3, "KUpBlock2D"), cross_attention_dim=32, attention_head_dim=8,
        norm_num_groups=None, conv_in_kernel=1, conv_out_kernel=1, time_embedding_type="fourier",
        timestep_post_act="gelu", time_cond_proj_dim=128 + 32, only_cross_attention=False,
    )  # fmt: skip
    torch.nn.init.normal_(unet.conv_out.weight, std=0.3)
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8, 8], down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, norm_num_groups=4, scaling_factor=0.18215,
    )  # fmt: skip
    StableDiffusionLatentUpscalePipeline(
        vae=vae, unet=unet, **clip_text(), scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear")
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("sd") / "sd-x2-latent")


@pytest.fixture(scope="module")
def sd(folder: Path) -> LoadedLatent:
    return load_latent(upscaler_folder(folder, "sd-x2-latent"), exact_cpu())


def frames(count: int, height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (count, height, width, 3), dtype=np.uint8)


def quiet(*_: Any) -> None:
    pass


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_one_frame_is_the_library_s_own_picture(sd: LoadedLatent, guidance: float) -> None:
    from diffusers.utils.torch_utils import randn_tensor

    (frame,) = frames(1)
    on_frame = randn_tensor((1, 4, 8, 12), generator=torch.Generator().manual_seed(5))
    noise = Noise(on_frame, torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(6)))
    expected = sd.pipeline(
        "a cat", to_unit(frame[None]), 4, guidance, generator=torch.Generator().manual_seed(5), latents=noise.to_draw,
        output_type="pt",
    ).images[0]  # fmt: skip
    (made,) = enlarged(sd, frame[None], "a cat", Sampling(4, guidance, 0, 256, 0), quiet, noise)
    assert made.shape == (128, 192, 3) and made.std() > 5
    assert np.abs(made - expected.permute(1, 2, 0).numpy() * 255).max() <= 0.5 + 255e-5


def test_equal_frames_are_drawn_equal_and_a_part_has_the_noise_of_its_place(sd: LoadedLatent) -> None:
    made = list(enlarged(sd, np.repeat(frames(1), 2, 0), "", Sampling(2, 1.0, 0, 256, 0), quiet))
    assert np.array_equal(made[0], made[1])
    whole, part = sd.noise(64, 64, 0), sd.noise(16, 32, 0)
    assert torch.equal(whole.to_draw[..., :4, :8], part.to_draw)
    assert torch.equal(whole.on_frame[..., :2, :4], part.on_frame)


def test_tiles_fade_into_each_other_without_a_seam(sd: LoadedLatent) -> None:
    smooth = np.broadcast_to(np.linspace(60, 190, 160)[None, :, None], (64, 160, 3)).astype(np.uint8)
    one, parts = (next(enlarged(sd, smooth[None], "", Sampling(2, 1.0, 0, tile, 0), quiet)) for tile in (256, 64))
    assert not np.array_equal(one, parts)
    steps = [np.abs(np.diff(made.astype(float), axis=1)).mean((0, 2)) for made in (one, parts)]
    assert steps[1].max() < 1.5 * steps[0].max() + 2


def test_a_large_frame_s_latents_come_by_the_library_s_tiles_and_decoding_is_not_cut_again(sd: LoadedLatent) -> None:
    small = to_unit(frames(1, 96, 96))
    noise = torch.zeros(1, 4, 12, 12)
    with torch.inference_mode():
        assert encoded(sd, small, noise, 64).shape == (1, 4, 12, 12)
        assert not sd.pipeline.vae.use_tiling
        assert torch.equal(encoded(sd, small, noise, 96), sd.pipeline.vae.encode(small).latent_dist.mean * 0.18215)


@pytest.mark.parametrize("size", [(1, 1), (9, 20)])
def test_any_size_will_do(sd: LoadedLatent, size: tuple[int, int]) -> None:
    clip = frames(3, *size)
    stage = UpscaleSd(
        SdParams(scale=2, own_scale=2, num_inference_steps=2, guidance_scale=1.0), (ModelRef(name="sd", revision="0"),)
    )
    seen: list[tuple[int, int]] = []
    told = context(acquire=lambda _: nullcontext(sd), step=lambda done, total, _: seen.append((done, total)))
    source = Stream(meta_for(clip), list(in_chunks(clip, 2)))
    made = np.concatenate([chunk.frames for chunk in stage.run((source,), told)])
    assert made.shape == (3, 2 * size[0], 2 * size[1], 3)
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]


def test_a_folder_is_listed_and_four_times_is_twice_twice(folder: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", device="cpu", threads=1)
    known = Shelf(settings, Catalogue(settings)).add(folder)
    assert known.spec.kind == "upscaler" and known.spec.scale == 2
    studio = Studio(settings)
    clip = studio.add_file(video(tmp_path / "clip.mp4", numbered(2))).key
    for scale, count in ((2, 1), (4, 2)):
        request = UpscaleRequest(clip=clip, upscaler="sd-x2-latent", scale=scale)
        found = [at for at in nodes(studio.recipe(request).root) if at.stage == "upscale_sd"]
        assert [at.params["scale"] for at in found] == [2] * count
        assert all(at.params["own_scale"] == 2 and at.params["tile"] == 256 for at in found)
