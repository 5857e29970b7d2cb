"""A pixel U-Net from scratch: it learns, words included, and the studio draws what it learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from diffscaler.models.catalogue import Catalogue
from diffscaler.models.device import pick_device
from diffscaler.settings import Settings
from diffscaler.text2video.family import Sampling, draw
from diffscaler.text2video.load import load_pipeline
from tests.text2video.tiny_unet3d import save_tiny_bert
from training.events import RunError
from training.recipes.clip_data import ClipData
from training.recipes.unet3d.options import Unet3DRun
from training.recipes.unet3d.task import Unet3DTask
from training.task import Place


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


RED, BLUE = (np.full((3, 8, 8, 3), colour, np.uint8) for colour in ((220, 30, 30), (30, 30, 220)))


def task_of(output: Path, data: ClipData | None = None, **changes) -> Unet3DTask:
    given = {
        "recipe": "unet3d", "output_dir": str(output), "image_size": 8, "num_frames": 3, "dim": 8, "dim_mults": (1, 2),
        "attn_heads": 2, "attn_dim_head": 8, "init_kernel_size": 3, "train_batch_size": 4, "held_out": 0,
        "sample_steps": 4, "timesteps": 100,
    }  # fmt: skip
    data = data or ClipData([RED, BLUE], [["a red wall"], ["a blue wall"]])
    return Unet3DTask(Unet3DRun.model_validate(given | changes), Place(torch.device("cpu"), output), data)


def trained(task: Unet3DTask, steps: int, lr: float = 3e-3) -> Unet3DTask:
    optimizer = torch.optim.Adam([p for _, p in task.trainable()], lr=lr)
    for index in range(steps):
        task.loss(task.batch(index), torch.Generator().manual_seed(index)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return task


@pytest.mark.slow
def test_it_learns_one_clip_by_heart_and_the_studio_lists_and_draws_it(overfit, tmp_path: Path) -> None:
    folder, clip, losses = overfit
    assert np.mean(losses[-20:]) < 0.15 * np.mean(losses[:10])
    settings = Settings(data_dir=tmp_path)
    settings.models_dir.mkdir(parents=True)
    (settings.models_dir / "one-clip").symlink_to(folder.parent)
    spec = Catalogue(settings).spec("one-clip", "text2video")
    assert spec.family and spec.family.name == "unet3d" and spec.title == "one-clip"
    family = load_pipeline(spec, pick_device("cpu"))
    for seed in range(3):
        drawn = draw(family, spec.native, "", seed)
        psnr = 10 * np.log10(255**2 / np.mean((drawn.astype(float) - clip) ** 2))
        print(f"seed {seed}: {psnr:.1f} dB; loss {np.mean(losses[:10]):.3f} -> {np.mean(losses[-20:]):.3f}")
        assert psnr >= 20


def test_words_that_are_left_out_train_the_vector_that_guidance_leads_away_from(tmp_path: Path) -> None:
    """Both published trainers leave it random: its gradient is 0 there (SEEDS 5)."""
    for dropout, moves in ((0.0, False), (0.5, True)):
        task = task_of(tmp_path, caption_dropout=dropout)
        null = task.family.network.null_cond_emb
        assert null is not None
        before = null.detach().clone()
        trained(task, 3)
        assert torch.equal(null, before) != moves


def test_an_encoder_of_the_captions_own_words_learns_along_and_prompts_differ(tmp_path: Path) -> None:
    task = task_of(tmp_path / "walls", cond_scale=1.0)
    trained(task, 60)
    red, blue = (task.sample(prompt, 1).astype(float).mean((0, 1, 2)) for prompt in task.prompts())
    assert task.prompts() == ["a red wall", "a blue wall"]
    print(f"red wall {red.round()}, blue wall {blue.round()}")
    assert red[0] - red[2] > blue[0] - blue[2] + 40
    folder = tmp_path / "walls" / "model"
    task.export(folder)
    from diffscaler.models.catalogue import text2video_folder

    spec = text2video_folder(folder)
    family = load_pipeline(spec, pick_device("cpu"))
    again = draw(family, spec.native, "a red wall", 1)
    assert np.abs(again.astype(int) - task.sample("a red wall", 1)).max() <= 1


def test_words_come_from_an_encoder_that_is_given_and_stays_as_it_is(tmp_path: Path) -> None:
    save_tiny_bert(tmp_path / "bert", 16)
    task = task_of(tmp_path, text_encoder=str(tmp_path / "bert"))
    assert set(task.modules()) == {"network"} and task.family.network.config.cond_dim == 16
    assert not any(parameter.requires_grad for parameter in task.family.encoder.model.parameters())  # type: ignore[union-attr]
    assert task.loss(task.batch(0), torch.Generator().manual_seed(0)).isfinite()
    with pytest.raises(RunError, match="text encoder") as caught:
        task_of(tmp_path, text_encoder=str(tmp_path / "nothing"))
    assert caught.value.hint


def test_training_goes_on_from_what_was_exported(tmp_path: Path) -> None:
    first = trained(task_of(tmp_path / "first"), 2)
    first.export(tmp_path / "first" / "model")
    second = task_of(tmp_path / "second", init=str(tmp_path / "first" / "model"), dim=64)
    own, theirs = first.family.network.state_dict(), second.family.network.state_dict()
    assert set(own) == set(theirs) and all(torch.equal(own[name], theirs[name]) for name in own)
    assert second.denoiser.kind == "v_prediction"
    assert np.array_equal(first.sample("a red wall", 1), second.sample("a red wall", 1))


def test_frames_of_a_picture_step_are_clips_of_one(tmp_path: Path) -> None:
    task = task_of(tmp_path, image_share=0.9, prob_focus_present=1.0, train_batch_size=2)
    shapes = {tuple(task.batch(index)["latents"].shape[:3]) for index in range(12)}
    assert shapes == {(6, 3, 1), (2, 3, 3)}
    clips = next(batch for index in range(12) if (batch := task.batch(index))["latents"].shape[2] == 3)
    assert clips["focused"].all()
    more = task.more(clips, torch.Generator())
    noisy, times = torch.randn(2, 3, 3, 8, 8), torch.tensor([50, 50])
    with torch.no_grad():
        alone, together = (
            task.denoiser.predict(noisy, times, clips["words"], clips["dropped"], **given) for given in (more, {})
        )
    assert not torch.allclose(alone, together)
    assert all("focused" not in batch for batch in task.held_out())


def test_batches_are_a_function_of_the_index_alone(tmp_path: Path) -> None:
    first, second = task_of(tmp_path), task_of(tmp_path)
    for index in (5, 0, 3):
        for name, value in first.batch(index).items():
            assert value == index if name == "index" else torch.equal(value, second.batch(index)[name])
    second.batch(1)
    losses = [float(t.loss(t.batch(2), torch.Generator().manual_seed(4)).detach()) for t in (first, second)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "changes", [{"image_size": 6, "dim_mults": (1, 2, 4)}, {"dim": 9}, {"prediction_type": "flow"}, {"dims": 3}]
)
def test_a_shape_no_network_has_is_refused(changes, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        task_of(tmp_path, **changes)


def test_a_clip_without_words_draws_without_a_prompt(tmp_path: Path) -> None:
    task = task_of(tmp_path, use_bert_text_cond=False)
    assert task.prompts() == [""] and task.family.network.config.cond_dim is None
    sampling = Sampling(8, 8, 3, 2, 1.0, 1)
    clip = task.family.denoise({}, replace(sampling, num_frames=2), lambda *_: None)
    assert clip.shape == (3, 2, 8, 8)
