"""A student's step learns two of its teacher: by diffusion, by flow, and through the recipe."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from diffscaler.models.catalogue import text2video_folder
from diffscaler.models.device import pick_device
from diffscaler.text2video.family import draw, native_sampling
from diffscaler.text2video.load import load_pipeline
from diffscaler.text2video.unet3d.diffusion import cosine_alphas_cumprod
from tests.text2video.tiny_families import save_tiny
from training.carry_out import carry_out
from training.distillation import error, step, target
from training.events import RunError, StopSignal
from training.objectives import Prediction, clean_and_noise, prediction_target
from training.recipes.clip_data import ClipData
from training.recipes.denoising import Denoising, Example
from training.recipes.distil.options import DistilRun
from training.recipes.distil.students import Student, even_walk, open_student
from training.recipes.distil.task import DistilTask
from training.recipes.levels import Diffused, Flow
from training.schedules import lr_factor
from training.task import Place


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("kind", get_args(Prediction))
@pytest.mark.parametrize("path", ["diffusion", "flow"])
def test_a_perfect_student_lands_where_two_steps_of_its_teacher_do(kind: Prediction, path: str) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.tensor([0.9, 0.6, 0.3]).double()
    if path == "flow":
        at = [(1 - level, level) for level in levels]
    else:
        at = [((1 - level**2).sqrt(), level) for level in levels]
    mix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    noisy = torch.randn(4, 6, generator=generator, dtype=torch.float64)

    def teacher(clip: torch.Tensor) -> torch.Tensor:
        return torch.tanh(clip @ mix)

    wanted = target(noisy, teacher, teacher, kind, *at)
    student = prediction_target(*clean_and_noise(wanted, noisy, *at[0], "sample"), *at[0], kind)
    half = step(noisy, teacher(noisy), kind, at[0], at[1])
    two = step(half, teacher(half), kind, at[1], at[2])
    assert (step(noisy, student, kind, at[0], at[2]) - two).abs().max() < 1e-12
    assert error(student, noisy, wanted, kind, at[0]).max() < 1e-20
    assert error(student + 0.1, noisy, wanted, kind, at[0]).min() > 1e-5


@pytest.mark.parametrize(
    "levels", [Diffused(cosine_alphas_cumprod(1000)), Diffused(cosine_alphas_cumprod(50)), Flow(3)]
)
@pytest.mark.parametrize("steps", [1, 4, 16])
def test_every_second_level_of_twice_the_steps_is_a_level_of_the_walk(levels: Diffused | Flow, steps: int) -> None:
    assert torch.equal(levels.walk(2 * steps)[::2], levels.walk(steps))
    assert (levels.walk(2 * steps).diff() < 0).all()


def test_a_flow_is_drawn_at_the_levels_it_was_distilled_at() -> None:
    scheduler = even_walk(3.0)
    scheduler.set_timesteps(4)
    # The library begins a thousandth below pure noise.
    assert (scheduler.sigmas[:4] - Flow(3.0).walk(4) / 1000).abs().max() < 2e-3 and scheduler.sigmas[4] == 0
    generator = torch.Generator().manual_seed(0)
    clip, said = (torch.randn(1, 2, 1, 4, 4, generator=generator) for _ in range(2))
    for index, timestep in enumerate(scheduler.timesteps):
        after = scheduler.step(said, timestep, clip).prev_sample
        now, then = ((1 - sigma, sigma) for sigma in scheduler.sigmas[index : index + 2])
        assert (after - step(clip, said, "flow", now, then)).abs().max() < 1e-5
        clip = after


def run(init: Path, output: Path, **changes) -> DistilRun:
    given = {
        "output_dir": str(output), "data": "-", "init": str(init), "resolution": 8, "num_frames": 4, "held_out": 0,
        "train_batch_size": 4, "max_train_steps": 45, "learning_rate": 3e-4,
    }  # fmt: skip
    return DistilRun.model_validate(given | changes)


def psnr(clip: np.ndarray, drawn: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((drawn.astype(float) - clip) ** 2)))


def halve(task: DistilTask, config: DistilRun) -> list[int]:
    """Train as the trainer would; the steps the student learnt to draw in, one after the other."""
    parameters = [parameter for _, parameter in task.trainable()]
    optimizer, seen = torch.optim.Adam(parameters, lr=config.learning_rate), []
    for index in range(config.max_train_steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * lr_factor(config, index, config.max_train_steps)
        task.loss(task.batch(index), torch.Generator().manual_seed(index)).backward()
        optimizer.step()
        optimizer.zero_grad()
        seen.append(task.steps)
    return list(dict.fromkeys(seen))


class Points:
    """A denoiser of clips of two pixels, small enough to learn a whole distribution in a second."""

    kind: Prediction = "v_prediction"
    levels = Diffused(cosine_alphas_cumprod(1024))

    def __init__(self) -> None:
        torch.manual_seed(0)
        hidden = [layer for _ in range(2) for layer in (nn.Linear(128, 128), nn.SiLU())]
        self.network = nn.Sequential(nn.Linear(8, 128), nn.SiLU(), *hidden, nn.Linear(128, 2))

    def modules(self) -> dict[str, nn.Module]:
        return {"network": self.network}

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, words: torch.Tensor, dropped: torch.Tensor):
        angles = times[:, None] / 1024 * torch.pi / 2 * 2.0 ** torch.arange(3)
        return self.network(torch.cat([noisy.flatten(1), angles.sin(), angles.cos()], dim=1)).view_as(noisy)

    @torch.no_grad()
    def drawn(self, noise: torch.Tensor, steps: int) -> torch.Tensor:
        walk, clip, nobody = self.levels.walk(steps), noise, torch.zeros(len(noise))
        for time, after in zip(walk, [*walk[1:], torch.tensor(-1)], strict=True):
            now, then = (self.levels.alpha_sigma(t.expand(len(noise)), 5) for t in (time, after))
            clip = step(clip, self.predict(clip, time.expand(len(noise)), nobody, nobody), self.kind, now, then)
        return clip


def test_a_student_of_four_steps_takes_noise_where_its_teacher_took_it_in_thirty_two(tmp_path: Path) -> None:
    """Of eight points on a circle: where noise leads to is a matter of many steps, unlike with one clip."""
    angles = torch.arange(8) / 8 * 2 * torch.pi
    points = [torch.stack([angle.cos(), angle.sin()]).view(2, 1, 1, 1) for angle in angles]
    points_config = run(Path("model"), tmp_path, train_batch_size=128, max_train_steps=450, learning_rate=2e-3)
    place, denoiser = Place(torch.device("cpu"), tmp_path), Points()
    base = Denoising(points_config, place, denoiser, [Example(p, [torch.zeros(0)]) for p in points], [], "points")
    optimizer = torch.optim.Adam(denoiser.network.parameters(), lr=5e-3)
    for index in range(1000):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - index / 1000)
        base.loss(base.batch(index), torch.Generator().manual_seed(index)).backward()
        optimizer.step()
        optimizer.zero_grad()
    noise = torch.randn(256, 2, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    taught, hurried = denoiser.drawn(noise, 32), denoiser.drawn(noise, 4)
    task = DistilTask(points_config, place, Student(base, lambda *_: np.zeros(0), lambda *_: None))
    assert halve(task, points_config) == [16, 8, 4]
    quick = denoiser.drawn(noise, 4)
    off, before = (float((clips - taught).square().mean().sqrt()) for clips in (quick, hurried))
    away = [
        float(torch.cdist(clips.flatten(1), torch.stack(points).flatten(1)).min(dim=1).values.mean())
        for clips in (taught, hurried, quick)
    ]
    print(f"four steps end {before:.3f} from where 32 do, {off:.3f} once distilled; from a point, 32, 4, 4: {away}")
    assert away[1] > 1.2 * away[0]  # or there was nothing to learn
    assert off < before / 2 and away[2] < 1.1 * away[0]


@pytest.mark.slow
def test_four_steps_draw_what_thirty_two_did(overfit, tmp_path: Path) -> None:
    """SEEDS 6: distilled 4-step within 2 dB of the 32-step teacher, by three halvings."""
    folder, clip, _ = overfit
    place, config = Place(torch.device("cpu"), tmp_path / "quick"), run(folder, tmp_path / "quick")
    task = DistilTask(config, place, open_student(config, place, ClipData([clip], [["a square"]])))
    teacher = load_pipeline(text2video_folder(folder), pick_device("cpu"))
    native = text2video_folder(folder).native
    many, few = (
        np.mean([psnr(clip, draw(teacher, native | {"num_inference_steps": n}, "", seed)) for seed in range(4)])
        for n in (32, 4)
    )
    assert halve(task, config) == [16, 8, 4]
    out = tmp_path / "quick" / "model"
    out.mkdir(parents=True)
    task.export(out)
    spec = text2video_folder(out)
    assert spec.native["num_inference_steps"] == 4 and spec.native["guidance_scale"] == 1 and spec.traits.guided
    student = load_pipeline(spec, pick_device("cpu"))
    quick = np.mean([psnr(clip, draw(student, spec.native, "", seed)) for seed in range(4)])
    print(f"32 steps {many:.1f} dB, the same model in 4 {few:.1f} dB, distilled to 4 {quick:.1f} dB")
    assert quick >= many - 2


def test_the_teacher_is_in_the_checkpoint_and_guidance_is_outside_the_first_one_alone(overfit, tmp_path: Path) -> None:
    from training.snapshot import buffers_of

    folder, clip, _ = overfit
    place, config = Place(torch.device("cpu"), tmp_path), run(folder, tmp_path, max_train_steps=3)
    task = DistilTask(config, place, open_student(config, place, ClipData([clip], [["a square"]])))
    weights = dict(task.teacher.named_buffers())
    assert {f"teacher.{name}" for name in weights} <= set(buffers_of(task.modules()))
    assert not any(name.startswith("teacher") for name, _ in task.trainable())
    first = weights["weight_0"].clone()
    name, parameter = task.trainable()[0]
    with torch.no_grad():
        parameter.add_(1)
    task.loss(task.batch(0), torch.Generator().manual_seed(0))
    assert torch.equal(weights["weight_0"], first) and task.steps == 16
    task.loss(task.batch(1), torch.Generator().manual_seed(0))
    assert task.steps == 8 and any(torch.equal(weight, parameter) for weight in weights.values()), name


def test_a_student_becomes_the_teacher_between_two_updates_and_never_turns_back(overfit, tmp_path: Path) -> None:
    folder, clip, _ = overfit
    parts, total = random.randrange(2, 5), random.choice([4, 5, 7])
    print("parts of an update", parts, "updates", total)
    place = Place(torch.device("cpu"), tmp_path)
    config = run(
        folder, tmp_path, max_train_steps=total, gradient_accumulation_steps=parts, train_batch_size=1, steps_to=8
    )
    task = DistilTask(config, place, open_student(config, place, ClipData([clip], [["a square"]])))
    seen: list[list[int]] = []
    for index in range(total * parts):
        task.loss(task.batch(index), torch.Generator().manual_seed(index))
        seen += [[]] * (index % parts == 0)
        seen[-1] = [*seen[-1], task.steps]
    assert all(len(set(update)) == 1 for update in seen)
    first = [update[0] for update in seen].count(16)
    assert [update[0] for update in seen] == [16] * first + [8] * (total - first) and first == -(-total // 2)
    task.loss(task.batch(0), torch.Generator().manual_seed(0))
    assert task.steps == 8


@pytest.mark.parametrize(
    "changed", [{"max_train_steps": 9}, {"steps_from": 16}, {"steps_to": 2}], ids=lambda changed: next(iter(changed))
)
def test_a_distillation_goes_on_as_it_began_or_not_at_all(overfit, clips_folder, tmp_path: Path, changed) -> None:
    folder, _, _ = overfit
    shared = {
        "data": str(clips_folder), "max_train_steps": 6, "train_batch_size": 1, "save_n_steps": 1, "device": "cpu",
        "report_to": "none", "threads": 1, "validate_every_steps": 0,
    }  # fmt: skip

    class StopAfterTwo(StopSignal):
        looks = 0

        def __bool__(self) -> bool:
            # Also asked while the clips are read, where there is no step yet.
            self.looks += (tmp_path / "out" / "checkpoints" / "step-00000002").is_dir()
            return self.looks > 0

    assert carry_out(run(folder, tmp_path / "out", **shared), StopAfterTwo()) is None
    with pytest.raises(RunError, match=f"began with {next(iter(changed))} = ") as caught:
        carry_out(run(folder, tmp_path / "out", **shared | changed), StopSignal())
    assert caught.value.hint
    assert carry_out(run(folder, tmp_path / "out", **shared), StopSignal()) is not None
    assert text2video_folder(tmp_path / "out" / "model").native["num_inference_steps"] == 4


def test_a_transformer_is_distilled_and_drawn_by_the_studio(tmp_path: Path) -> None:
    wan = save_tiny("wan", tmp_path / "wan")
    config = run(
        wan, tmp_path / "few", resolution=32, num_frames=5, guidance=3.0, train_batch_size=1, max_train_steps=3
    )
    place = Place(torch.device("cpu"), tmp_path / "few")
    clips = ClipData([np.full((5, 32, 32, 3), 90, np.uint8)], [["a dog"]])
    task = DistilTask(config, place, open_student(config, place, clips))
    for index in range(3):
        loss = task.loss(task.batch(index), torch.Generator().manual_seed(index))
        loss.backward()
        assert loss.isfinite()
    assert task.steps == 4
    out = tmp_path / "few" / "model"
    out.mkdir(parents=True)
    task.export(out)
    spec = text2video_folder(out)
    assert spec.family and spec.family.name == "wan" and spec.traits.guided
    family = load_pipeline(spec, pick_device("cpu"))
    seen: list[int] = []
    sampling = replace(native_sampling(spec.native, 1), guidance_scale=1.0)
    family.denoise(family.encode_text("a dog", ""), sampling, lambda done, total, clean: seen.append(total))
    assert seen == [4] * 4


@pytest.mark.parametrize(
    "changes", [{"steps_to": 5}, {"steps_from": 4}, {"num_train_epochs": 2}, {"max_train_steps": 2}]
)
def test_steps_that_are_no_halvings_are_refused(changes) -> None:
    with pytest.raises(ValidationError):
        run(Path("model"), Path("out"), **changes)


def test_a_model_of_another_family_is_refused_in_a_sentence(tmp_path: Path) -> None:
    other = save_tiny("modelscope", tmp_path / "other")
    with pytest.raises(RunError) as caught:
        open_student(run(other, tmp_path), Place(torch.device("cpu"), tmp_path))
    assert caught.value.hint
