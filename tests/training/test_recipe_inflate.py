"""A video model out of an image model, which draws what the image model drew until it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.models.catalogue import text2video_folder
from tests.devices import exact_cpu
from tests.text2video.tiny_families import clip
from tests.training.conftest import tiny_clip
from training.events import RunError
from training.recipes.inflate.network import inflated, is_temporal
from training.recipes.inflate.options import InflateRun
from training.task import Place


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def image_unet(**changes):
    from diffusers import UNet2DConditionModel

    given = {
        "block_out_channels": (8, 16), "layers_per_block": 1, "sample_size": 8, "cross_attention_dim": 32,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": (2, 4), "norm_num_groups": 4, "use_linear_projection": True,
    }  # fmt: skip
    torch.manual_seed(3)
    return UNet2DConditionModel(**given | changes).eval()


@pytest.fixture(scope="module")
def image_model(tmp_path_factory) -> Path:
    return save_image_model(tmp_path_factory.mktemp("inflate") / "image")


def save_image_model(folder: Path) -> Path:
    """A tiny folder in the form of Stable Diffusion 2."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline

    unet = image_unet()
    vae = AutoencoderKL(
        block_out_channels=(8,), down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",),
        latent_channels=4, sample_size=32, norm_num_groups=2,
    )  # fmt: skip
    scheduler = DDIMScheduler(prediction_type="v_prediction", clip_sample=False)
    pipeline = StableDiffusionPipeline(
        **clip(), vae=vae, unet=unet, scheduler=scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for i, frame in enumerate(tiny_clip(rng, frames=4, size=16)):
            Image.fromarray(frame).save(tmp_path / "clips" / name / f"frame{i}.png")
    (tmp_path / "clips" / "one" / "prompt.txt").write_text("a dog one")  # the other teaches motion alone
    return tmp_path / "clips"


def run(image_model: Path, clips: Path, output: Path, **changes) -> InflateRun:
    given = {
        "output_dir": str(output), "data": str(clips), "pretrained_model_name_or_path": str(image_model),
        "num_frames": 4, "resolution": 16, "aspect_ratio": 1.0, "train_batch_size": 2, "held_out": 0,
        "learning_rate": 3e-3, "validation_steps": 2, "cache_dir": str(output / "cache"),
    }  # fmt: skip
    return InflateRun.model_validate(given | changes)


@torch.no_grad()
def test_before_it_learns_every_frame_is_what_the_image_model_draws() -> None:
    unet = image_unet()
    video = inflated(unet).eval()
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(2, 4, 3, 8, 8, generator=generator)
    words, times = torch.randn(2, 5, 32, generator=generator), torch.tensor([10, 700])
    drawn = video(noisy, times, encoder_hidden_states=words).sample
    frames = [unet(noisy[:, :, i], times, encoder_hidden_states=words).sample for i in range(3)]
    difference = float((drawn - torch.stack(frames, dim=2)).abs().max())
    print(f"differs from the image model by {difference:.1e}")
    assert difference <= 1e-5
    # The library's own random temporal layers do not begin that way.
    from diffusers import UNet3DConditionModel

    torch.manual_seed(0)
    plain = UNet3DConditionModel.from_config(video.config).eval()
    plain.load_state_dict(unet.state_dict(), strict=False)
    assert (plain(noisy, times, encoder_hidden_states=words).sample - drawn).abs().max() > 1e-2


def test_only_what_the_image_model_lacks_learns() -> None:
    unet = image_unet()
    video = inflated(unet)
    learning = {name for name, parameter in video.named_parameters() if parameter.requires_grad}
    assert learning == set(video.state_dict()) - set(unet.state_dict())
    assert learning and all(is_temporal(name) for name in learning)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_linear_projection": False},
        {"transformer_layers_per_block": 2},
        {"class_embed_type": "timestep"},
        {"attention_head_dim": 4},
    ],
)
def test_an_image_model_with_other_layers_is_refused_in_a_sentence(changes) -> None:
    with pytest.raises(RunError, match="image model") as caught:
        inflated(image_unet(**changes))
    assert caught.value.hint and "\n" not in str(caught.value)


def test_steps_move_temporal_layers_alone_and_the_studio_draws_the_result(
    image_model: Path, clips: Path, tmp_path: Path
) -> None:
    from diffscaler.text2video.family import draw
    from diffscaler.text2video.load import load_pipeline
    from training.recipes.inflate.task import InflateTask

    task = InflateTask(run(image_model, clips, tmp_path / "moving"), Place(torch.device("cpu"), tmp_path / "moving"))
    before = {name: value.clone() for name, value in task.unet.state_dict().items()}
    optimizer = torch.optim.Adam([p for _, p in task.trainable()], lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for index in range(3):
        loss = task.loss(task.batch(index), generator)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert loss.isfinite()
    changed = {name for name, value in task.unet.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(is_temporal(name) for name in changed)
    task.unet.eval()
    shown = task.sample("a dog one", 1)
    folder = tmp_path / "moving" / "model"
    folder.mkdir(parents=True)
    task.export(folder)
    spec = text2video_folder(folder)
    assert spec.family and spec.family.name == "modelscope" and spec.title == "moving"
    assert "Inflated from" in spec.description
    family = load_pipeline(spec, exact_cpu())
    again = draw(family, spec.native | {"num_inference_steps": 2}, "a dog one", 1)
    assert again.shape == (4, 16, 16, 3)
    assert shown is not None and np.abs(again.astype(int) - shown).max() <= 1
    assert not any(str(image_model) in file.read_text() for file in folder.rglob("*.json"))


def test_a_folder_that_is_no_image_model_is_refused(clips: Path, tmp_path: Path) -> None:
    from training.recipes.inflate.task import InflateTask

    (tmp_path / "nothing").mkdir()
    with pytest.raises(RunError) as caught:
        InflateTask(run(tmp_path / "nothing", clips, tmp_path), Place(torch.device("cpu"), tmp_path))
    assert caught.value.hint
