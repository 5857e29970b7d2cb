"""A decoder that looks along time: the image decoder to begin with, steadier when it has learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.device import pick_device
from tests.text2video.tiny_families import save_tiny
from training.events import RunError
from training.recipes.clip_data import ClipData
from training.recipes.temporal_decoder.critic import PatchCritic, balance, critic_loss, decoder_loss
from training.recipes.temporal_decoder.network import Decoding, folded, is_temporal, temporal_decoder
from training.recipes.temporal_decoder.options import TemporalDecoderRun
from training.recipes.temporal_decoder.task import TemporalDecoderTask, pixels
from training.task import Place


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def image_vae(**changes):
    from diffusers import AutoencoderKL

    torch.manual_seed(5)
    given = {
        "block_out_channels": (32, 32), "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2, "layers_per_block": 2, "latent_channels": 4, "sample_size": 16,
    }  # fmt: skip
    return AutoencoderKL(**given | changes).eval()


def squares(count: int) -> list[np.ndarray]:
    """Textured squares that move over a shaded ground: uint8 (6, 16, 16, 3)."""
    rng = np.random.default_rng(1)
    clips = []
    for _ in range(count):
        clip = np.zeros((6, 16, 16, 3), np.uint8)
        clip[:] = np.linspace(rng.integers(30, 90), rng.integers(120, 200), 16)[None, None, :, None]
        x, y, colour = rng.integers(0, 5), rng.integers(0, 9), rng.integers(0, 255, 3)
        for i in range(6):
            clip[i, y : y + 6, x + i : x + i + 6] = colour
        clips.append(clip)
    return clips


@pytest.fixture(scope="module")
def trained_vae(tmp_path_factory) -> Path:
    """An image VAE that has learnt the squares a little."""
    torch.set_num_threads(1)
    vae, frames = image_vae(), torch.cat([pixels(clip).transpose(0, 1) for clip in squares(6)])
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(80):
        chosen = frames[torch.randint(len(frames), (6,), generator=generator)]
        loss = (vae.decode(vae.encode(chosen).latent_dist.mode()).sample - chosen).abs().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("vae") / "image"
    vae.save_pretrained(folder / "vae")
    return folder


def task_of(init: Path, output: Path, **changes) -> TemporalDecoderTask:
    given = {
        "output_dir": str(output), "data": "-", "init": str(init), "size": 16, "num_frames": 6, "train_batch_size": 2,
        "latent_noise": 0.3,
    }  # fmt: skip
    clips = squares(8)
    data = ClipData(clips[:6], [[""]] * 6, clips[6:], [[""]] * 2)
    return TemporalDecoderTask(
        TemporalDecoderRun.model_validate(given | changes), Place(torch.device("cpu"), output), data
    )


@torch.no_grad()
def test_before_it_learns_it_is_the_image_decoder_to_the_bit() -> None:
    image = image_vae()
    vae, before = temporal_decoder(image)
    latents = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    decoded = Decoding(vae, before)(latents)
    flat = latents.transpose(1, 2).flatten(0, 1)
    assert torch.equal(decoded.transpose(1, 2).flatten(0, 1), image.decode(flat).sample)
    frames = decoded[0].transpose(0, 1)
    assert torch.equal(vae.encode(frames).latent_dist.mode(), image.encode(frames).latent_dist.mode())
    assert any(is_temporal(name) for name in vae.decoder.state_dict())


@torch.no_grad()
def test_what_the_file_has_no_layer_for_is_folded_into_the_next_one() -> None:
    image = image_vae()
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    vae, before = temporal_decoder(image)
    first = before is not None and vae.decoder.conv_in(before(latents))
    here = folded(vae, before).decoder.conv_in(latents)
    assert (here - first)[:, :, 1:-1, 1:-1].abs().max() < 1e-5
    image.post_quant_conv.bias.zero_()
    wanted = image.decode(latents).sample
    vae, before = temporal_decoder(image)
    assert (folded(vae, before).decode(latents, num_frames=3).sample - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("changes", [{"norm_num_groups": 16}, {"layers_per_block": 1}])
def test_a_vae_with_other_layers_is_refused_in_a_sentence(changes) -> None:
    with pytest.raises(RunError, match="layers") as caught:
        temporal_decoder(image_vae(**changes))
    assert caught.value.hint


def measured(task: TemporalDecoderTask) -> tuple[float, float]:
    """(PSNR in dB, mean error of frame-to-frame differences in levels) on clips never trained on."""
    errors, flicker = [], []
    for number, (latents, clip) in enumerate(zip(task.kept_back, task.clips.apart, strict=True)):
        made = task.decoded(task.disturbed(latents[None], torch.Generator().manual_seed(number))).astype(float)
        errors.append(np.mean((made - clip) ** 2))
        flicker.append(np.abs(np.diff(made, axis=0) - np.diff(clip.astype(float), axis=0)).mean())
    return 10 * np.log10(255**2 / np.mean(errors)), float(np.mean(flicker))


def test_it_takes_flicker_away_and_costs_hardly_any_likeness(trained_vae: Path, tmp_path: Path) -> None:
    task = task_of(trained_vae, tmp_path)
    assert all(is_temporal(name) for name, _ in task.trainable())
    before = measured(task)
    optimizer = torch.optim.Adam([p for _, p in task.trainable()], lr=2e-3)
    for index in range(40):
        task.loss(task.batch(index), torch.Generator().manual_seed(index)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = measured(task)
    print(f"PSNR {before[0]:.1f} -> {after[0]:.1f} dB, flicker {before[1]:.2f} -> {after[1]:.2f} levels")
    assert after[1] < 0.9 * before[1]
    # So few steps end a tenth of a decibel above or below, as the processor rounds.
    assert after[0] >= before[0] - 0.2
    assert task.sample("", 111).shape == (6, 16, 32, 3)


def test_the_critic_and_the_decoder_each_learn_from_their_own_loss() -> None:
    critic = PatchCritic(8)
    real, decoded = torch.randn(1, 3, 4, 16, 16), torch.randn(1, 3, 4, 16, 16, requires_grad=True)
    decoder_loss(critic, decoded).backward()
    assert decoded.grad is not None and decoded.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in critic.parameters())
    decoded.grad = None
    critic_loss(critic, real, decoded).backward()
    assert decoded.grad is None
    assert all(parameter.grad is not None for parameter in critic.parameters())
    last = torch.ones(3, requires_grad=True)
    assert balance((2 * last).sum(), (last / 2).sum(), last) == pytest.approx(4, rel=1e-3)


def test_a_critic_learns_along_and_has_no_say_in_the_held_out_loss(trained_vae: Path, tmp_path: Path) -> None:
    plain, judged = task_of(trained_vae, tmp_path), task_of(trained_vae, tmp_path, adversarial_weight=0.5)
    assert {name.split(".")[0] for name, _ in judged.trainable()} == {"decoding", "critic"}
    held_out = [
        float(task.loss(task.held_out()[0], torch.Generator().manual_seed(0)).detach()) for task in (plain, judged)
    ]
    assert held_out[0] == held_out[1]
    loss = judged.loss(judged.batch(0), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite() and all(parameter.grad is not None for _, parameter in judged.trainable())


def test_it_goes_into_a_model_that_the_studio_draws_with(tmp_path: Path) -> None:
    from diffscaler.text2video.load import load_pipeline

    svd = save_tiny("svd", tmp_path / "svd")
    four = {
        "block_out_channels": (32,) * 4, "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }  # fmt: skip
    image_vae(**four).save_pretrained(tmp_path / "image" / "vae")
    task = task_of(tmp_path / "image", tmp_path / "steady", into=str(svd))
    folder = tmp_path / "steady" / "model"
    folder.mkdir(parents=True)
    task.export(folder)
    spec = text2video_folder(folder)
    assert spec.family and spec.family.name == "svd" and spec.title == "steady"
    family = load_pipeline(spec, pick_device("cpu"))
    latents = torch.randn(1, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    scaled = latents * family.pipeline.vae.config.scaling_factor  # type: ignore[attr-defined]
    made, wanted = family.decode(scaled[0].numpy()), task.decoded(latents)
    assert made.shape == wanted.shape == (3, 16, 16, 3)
    assert not np.array_equal(made, load_pipeline(text2video_folder(svd), pick_device("cpu")).decode(scaled[0].numpy()))


def test_a_model_whose_latents_are_others_is_refused(trained_vae: Path, tmp_path: Path) -> None:
    svd = save_tiny("svd", tmp_path / "svd")
    with pytest.raises(RunError, match="latents") as caught:
        task_of(trained_vae, tmp_path, into=str(svd))
    assert caught.value.hint
