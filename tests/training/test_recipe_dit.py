"""A transformer from scratch on the latents of a Wan folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.device import pick_device
from diffscaler.text2video.family import Sampling, draw
from diffscaler.text2video.load import load_pipeline
from tests.text2video.tiny_families import save_tiny
from training.events import RunError
from training.recipes.clip_data import ClipData
from training.recipes.dit.options import DitRun
from training.recipes.dit.task import DitTask, legal_length
from training.task import Place


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def wan(tmp_path_factory) -> Path:
    return save_tiny("wan", tmp_path_factory.mktemp("dit") / "wan")


def config(wan: Path, output: Path, **changes) -> DitRun:
    given = {
        "recipe": "dit", "output_dir": str(output), "init": str(wan), "num_attention_heads": 4, "num_layers": 2,
        "attention_head_dim": 24, "ffn_dim": 192, "freq_dim": 32, "train_batch_size": 4, "held_out": 0,
        "caption_dropout": 0.0, "sample_steps": 20, "guidance_scale": 1.0, "flow_shift": 1.0,
    }  # fmt: skip
    return DitRun.model_validate(given | changes)


def moving_square(frames: int, height: int, width: int) -> np.ndarray:
    clip = np.full((frames, height, width, 3), 50, np.uint8)
    for i in range(frames):
        clip[i, 8:24, 2 * i : 2 * i + 16] = (220, 120, 40)
    return clip


def task_of(wan: Path, output: Path, clips: list[np.ndarray], **changes) -> DitTask:
    data = ClipData(clips, [["a dog"]] * len(clips))
    return DitTask(config(wan, output, **changes), Place(torch.device("cpu"), output), data)


def test_one_network_learns_from_clips_of_two_shapes_each_batch_of_one(wan: Path, tmp_path: Path) -> None:
    clips = [moving_square(5, 32, 32), moving_square(9, 32, 48), moving_square(5, 32, 32)]
    task = task_of(wan, tmp_path, clips, train_batch_size=2)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for index in range(4):
        batch = task.batch(index)
        seen.add(tuple(batch["latents"].shape[2:]))
        loss = task.loss(batch, generator)
        assert loss.isfinite() and loss.dtype == torch.float32
        assert torch.equal(task.batch(index)["latents"], batch["latents"])
    assert seen == {(2, 4, 4), (3, 4, 6)}


def test_lengths_and_sizes_are_those_the_vae_can_make(tmp_path: Path) -> None:
    assert [legal_length(count) for count in (0, 1, 4, 5, 8, 9, 17)] == [0, 1, 1, 5, 5, 9, 17]


def test_with_its_gates_at_zero_every_block_is_the_identity(wan: Path, tmp_path: Path) -> None:
    transformer = task_of(wan, tmp_path, [moving_square(5, 32, 32)]).family.pipeline.transformer.eval()
    seen = []
    with torch.no_grad():
        for block in transformer.blocks:
            block.scale_shift_table.zero_()
            # Cross-attention has no gate: its last layer takes the gate's place.
            block.attn2.to_out[0].weight.zero_()
            block.attn2.to_out[0].bias.zero_()
            block.register_forward_hook(lambda _, given, made: seen.append((given[0], made)))
        transformer.condition_embedder.time_proj.weight.zero_()
        transformer.condition_embedder.time_proj.bias.zero_()
        transformer(torch.randn(1, 16, 2, 4, 4), torch.tensor([500.0]), torch.randn(1, 7, 32))
    assert len(seen) == 2 and all(torch.equal(given, made) for given, made in seen)


def test_left_out_words_are_those_guidance_takes_for_none(wan: Path, tmp_path: Path) -> None:
    task = task_of(wan, tmp_path, [moving_square(5, 32, 32)], caption_dropout=1.0, train_batch_size=1)
    batch = task.batch(0)
    assert batch["dropped"].all()
    noisy, time = torch.randn(1, 16, 2, 4, 4), torch.tensor([500.0])
    nothing = torch.from_numpy(task.family.encode_text("a dog", "")["negative_prompt_embeds"])
    with torch.no_grad():
        dropped = task.denoiser.predict(noisy, time, batch["words"], batch["dropped"])
        named = task.denoiser.predict(noisy, time, batch["words"], ~batch["dropped"])
        given = task.family.pipeline.transformer(noisy, time, nothing, return_dict=False)[0]
    assert torch.equal(dropped, given) and not torch.allclose(named, given)


@pytest.mark.slow
def test_it_learns_one_clip_by_heart_and_the_studio_draws_it(wan: Path, tmp_path: Path) -> None:
    """SEEDS: PSNR >= 20 dB, of the latents: the tiny folder's VAE is untrained and shows nothing."""
    task = task_of(wan, tmp_path / "gifs", [moving_square(5, 32, 32)])
    optimizer = torch.optim.Adam([p for _, p in task.trainable()], lr=3e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    for index in range(200):
        loss = task.loss(task.batch(index), generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in task.trainable()], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    folder = tmp_path / "gifs" / "model"
    folder.mkdir(parents=True)
    task.export(folder)
    spec = text2video_folder(folder)
    assert spec.family and spec.family.name == "wan" and spec.title == "gifs"
    family = load_pipeline(spec, pick_device("cpu"))
    assert np.mean(losses[-20:]) < 0.15 * np.mean(losses[:10])
    clean = task.examples[0].latents.numpy()
    for seed in range(2):
        sampling = Sampling(32, 32, 5, 20, 1.0, seed)
        drawn = family.denoise(family.encode_text("a dog", ""), sampling, lambda *_: None)
        psnr = 10 * np.log10((clean.max() - clean.min()) ** 2 / np.mean((drawn - clean) ** 2))
        print(f"seed {seed}: {psnr:.1f} dB, loss {np.mean(losses[:10]):.3f} -> {np.mean(losses[-20:]):.3f}")
        assert psnr >= 20
    assert draw(family, spec.native | {"num_inference_steps": 2}, "a dog", 1).shape == (5, 32, 32, 3)


def test_a_folder_of_another_family_is_refused(tmp_path: Path) -> None:
    other = save_tiny("modelscope", tmp_path / "modelscope")
    with pytest.raises(RunError, match="Wan") as caught:
        task_of(other, tmp_path, [moving_square(5, 32, 32)])
    assert caught.value.hint
