"""The library's diffusion upscaler on clips: its own picture on one frame, one noise, faded tiles, a clip's prompt."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler import compat
from diffscaler.errors import ModelNotFound, NotEnoughRoom
from diffscaler.media import Stream
from diffscaler.models.catalogue import Catalogue
from diffscaler.models.diffusion_upscalers import upscaler_folder
from diffscaler.models.residency import Residency
from diffscaler.models.shelf import Shelf
from diffscaler.plan import nodes
from diffscaler.requests import Text2VideoRequest, UpscaleRequest
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from diffscaler.studio import Studio
from diffscaler.upscale.sd.drawing import LoadedSd, Noise, Sampling, enlarged, tiles
from diffscaler.upscale.sd.load import load_sd
from diffscaler.upscale.sd.stage import SdParams, UpscaleSd
from tests.devices import exact_cpu
from tests.text2video.tiny_encoders import clip as clip_text
from tests.upscale.run import context
from tests.video.make import in_chunks, meta_for, numbered, video


def checkpoint(folder: Path) -> Path:
    """A tiny random one, in the real format."""
    compat.install()
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionUpscalePipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=32, in_channels=7, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4, norm_num_groups=4, use_linear_projection=True,
        only_cross_attention=(True, False), num_class_embeds=100,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8], down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3, latent_channels=4, norm_num_groups=4, scaling_factor=0.08333,
    )  # fmt: skip
    StableDiffusionUpscalePipeline(
        vae=vae, unet=unet, **clip_text(), low_res_scheduler=DDPMScheduler(), max_noise_level=99,
        scheduler=DDIMScheduler(prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False),
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("sd") / "sd-x4")


@pytest.fixture(scope="module")
def sd(folder: Path) -> LoadedSd:
    return load_sd(upscaler_folder(folder, "sd-x4"), exact_cpu())


def frames(count: int, height: int = 16, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (count, height, width, 3), dtype=np.uint8)


QUICK = Sampling(steps=2, guidance=3.0, noise_level=20, tile=128, seed=0)


def quiet(*_: Any) -> None:
    pass


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_one_frame_is_the_library_s_own_picture(sd: LoadedSd, guidance: float) -> None:
    from diffusers.utils.torch_utils import randn_tensor
    from PIL import Image

    (frame,) = frames(1)
    on_frame = randn_tensor((1, 3, 16, 24), generator=torch.Generator().manual_seed(5))
    noise = Noise(on_frame, torch.randn(1, 4, 16, 24, generator=torch.Generator().manual_seed(6)))
    expected = sd.pipeline(
        "a cat", Image.fromarray(frame), 4, guidance, generator=torch.Generator().manual_seed(5), latents=noise.to_draw,
        output_type="pt",
    ).images[0]  # fmt: skip
    sampling = Sampling(4, guidance, 20, 128, 0)
    (made,) = enlarged(sd, frame[None], "a cat", sampling, quiet, noise)
    assert np.abs(made - (expected.permute(1, 2, 0).numpy() * 255)).max() <= 0.5 + 255e-5
    assert made.std() > 5


def test_latents_equal_the_library_s_to_1e_5(sd: LoadedSd) -> None:
    from diffscaler.upscale.pair.ssr import to_unit
    from diffscaler.upscale.sd.drawing import decoded, drawn

    frame = frames(1)
    small, noise = to_unit(frame), sd.noise(16, 24, 3)
    generator = torch.Generator().manual_seed(1)
    on_frame = torch.randn((1, 3, 16, 24), generator=generator)
    kinds = {"output_type": "latent", "latents": noise.to_draw, "num_inference_steps": 3, "guidance_scale": 4.0}
    theirs = sd.pipeline("a dog", small, generator=torch.Generator().manual_seed(1), **kinds).images
    with torch.inference_mode():
        ours = drawn(
            sd, small, sd.told("a dog", True), Sampling(3, 4.0, 20, 128, 3), Noise(on_frame, noise.to_draw), quiet
        )
        assert (ours - theirs).abs().max() <= 1e-5 and ours.std() > 0.1
        theirs = sd.pipeline.vae.decode(theirs / sd.pipeline.vae.config.scaling_factor).sample
        assert (decoded(sd.pipeline.vae, ours, 128, sd.multiple, 4) - theirs).abs().max() <= 1e-5


def test_equal_frames_are_drawn_equal_and_a_part_has_the_noise_of_its_place(sd: LoadedSd) -> None:
    made = list(enlarged(sd, np.repeat(frames(1), 2, 0), "", QUICK, quiet))
    assert np.array_equal(made[0], made[1]) and made[0].shape == (64, 96, 3)
    whole, part = sd.noise(32, 40, 0), sd.noise(8, 16, 0)
    assert torch.equal(whole.to_draw[..., :8, :16], part.to_draw)
    assert torch.equal(whole.on_frame[..., :8, :16], part.on_frame)


def test_tiles_fade_into_each_other_without_a_seam(sd: LoadedSd) -> None:
    smooth = np.broadcast_to(np.linspace(60, 190, 72)[None, :, None], (40, 72, 3)).astype(np.uint8)
    (made,) = enlarged(sd, smooth[None], "", Sampling(2, 1.0, 0, 32, 0), quiet)
    steps = np.abs(np.diff(made.astype(float), axis=1)).mean((0, 2))
    seams = [seen.left * 4 for seen, _ in tiles(40, 72, 32, 4) if seen.left] + [
        seen.right * 4 for seen, _ in tiles(40, 72, 32, 4) if seen.right < 72
    ]
    assert seams and max(steps[at - 1] for at in seams) < 3 * np.median(steps) + 2


@pytest.mark.parametrize(("height", "width", "tile"), [(16, 24, 128), (40, 72, 32), (33, 17, 16)])
def test_tiles_cover_everything(height: int, width: int, tile: int) -> None:
    weight = torch.zeros(height, width)
    for seen, counts in tiles(height, width, tile, 4):
        assert seen.bottom - seen.top <= max(tile, 12) and seen.right - seen.left <= max(tile, 12)
        weight[seen.top : seen.bottom, seen.left : seen.right] += counts
    assert weight.min() > 0.4


@pytest.mark.parametrize("size", [(1, 1), (9, 14)])
def test_any_size_half_the_factor_and_the_words_count(sd: LoadedSd, size: tuple[int, int]) -> None:
    def run(**params: Any) -> np.ndarray:
        clip = frames(3, *size)
        stage = UpscaleSd(
            SdParams.model_validate({"scale": 4, "num_inference_steps": 2, **params}),
            (ModelRef(name="sd", revision="0"),),
        )
        source = Stream(meta_for(clip), list(in_chunks(clip, 2)))
        seen: list[tuple[int, int]] = []
        told = context(acquire=lambda _: nullcontext(sd), step=lambda done, total, _: seen.append((done, total)))
        made = np.concatenate([chunk.frames for chunk in stage.run((source,), told)])
        assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]
        return made

    whole = run(prompt="a cat")
    assert whole.shape == (3, 4 * size[0], 4 * size[1], 3)
    assert run(scale=2).shape == (3, 2 * size[0], 2 * size[1], 3)
    assert not np.array_equal(run(prompt="a blue dog"), whole)


def test_a_folder_is_an_upscaler_with_the_clip_s_prompt_and_no_text_to_video_model(
    folder: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", device="cpu", threads=1)
    known = Shelf(settings, Catalogue(settings)).add(folder)
    assert known.spec.kind == "upscaler" and known.linked
    studio = Studio(settings)
    assert "sd-x4" not in {spec.name for spec in studio.catalogue.specs("text2video")}
    request = Text2VideoRequest(prompt="a cat on a road", scale=4, upscaler="sd-x4", seed=1)
    (stage,) = [at for at in nodes(studio.recipe(request).root) if at.stage == "upscale_sd"]
    assert stage.params["prompt"] == "a cat on a road" and stage.params["noise_level"] == 20
    clip = studio.add_file(video(tmp_path / "clip.mp4", numbered(2))).key
    (stage,) = [
        at for at in nodes(studio.recipe(UpscaleRequest(clip=clip, upscaler="sd-x4")).root) if at.stage == "upscale_sd"
    ]
    assert stage.params["prompt"] == "" and stage.params["scale"] == 4


def test_what_it_needs_is_told_before_it_is_loaded_and_a_broken_folder_is_named(folder: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    spec = Shelf(settings, Catalogue(settings)).add(folder).spec
    little = Residency(exact_cpu(), 10**9)
    with pytest.raises(NotEnoughRoom, match=r"sd-x4 needs 3\.0 GB"), little.acquire(spec, "0"):
        pass
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    with pytest.raises(ModelNotFound, match="cannot be loaded"):
        load_sd(spec.model_copy(update={"path": broken}), exact_cpu())
