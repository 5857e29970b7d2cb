"""A pixel-space 3-D U-Net from a trainer's file becomes clips: the published network, its files, its sampling."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffscaler.errors import InvalidRequest, ModelNotFound
from diffscaler.models.device import pick_device
from diffscaler.models.spec import ModelSpec
from diffscaler.text2video.family import Sampling, draw
from diffscaler.text2video.unet3d.attention import bucket
from diffscaler.text2video.unet3d.diffusion import (
    Diffusion,
    add_noise,
    clean_and_noise,
    cosine_alphas_cumprod,
    inference_timesteps,
    posterior,
    prediction_target,
    threshold,
)
from diffscaler.text2video.unet3d.family import Unet3DFamily, load_unet3d, mean_after_first
from diffscaler.text2video.unet3d.load import build_network, config_of, read_checkpoint
from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
from tests.text2video.tiny_unet3d import (
    GAIN,
    WORDLESS,
    WORDS,
    filled,
    save_tiny_bert,
    save_tiny_unet3d,
    trainer_data,
    trainer_state,
)

FIXTURE = Path(__file__).parent.parent / "data" / "unet3d_tiny.npz"
SAMPLING = Sampling(width=16, height=16, num_frames=3, num_inference_steps=4, guidance_scale=2.0, seed=7)
PREDICTIONS = ("epsilon", "v_prediction", "sample")


def ignore(*step: Any) -> None:
    pass


def spec_of(path: Path | None) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        title="Tiny",
        kind="text2video",
        path=path,
        loader="diffscaler.text2video.unet3d.family:load_unet3d",
    )


def load(path: Path) -> Unet3DFamily:
    return load_unet3d(spec_of(path), pick_device("cpu"))


def refusal(path: Path) -> str:
    """The one sentence with which a folder or file is refused, which never comes without a hint."""
    return said_by(lambda: load(path))


def said_by(action: Callable[[], Any]) -> str:
    with pytest.raises(ModelNotFound) as caught:
        action()
    message, hint = caught.value.message, caught.value.hint
    assert message.endswith(".") and ". " not in message and "\n" not in message and len(message) < 250
    assert hint.endswith(".") and "\n" not in hint
    return message


@pytest.fixture(scope="module")
def wordless_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_unet3d(tmp_path_factory.mktemp("unet3d") / "wordless")


@pytest.fixture(scope="module")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_unet3d(tmp_path_factory.mktemp("unet3d") / "words", WORDS)


@pytest.fixture(scope="module")
def wordless(wordless_folder: Path) -> Unet3DFamily:
    return load(wordless_folder)


@pytest.fixture(scope="module")
def words(words_folder: Path) -> Unet3DFamily:
    return load(words_folder)


@pytest.fixture(scope="module")
def reference() -> Mapping[str, np.ndarray]:
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def network(reference: Mapping[str, np.ndarray]) -> Unet3D:
    said = json.loads(str(reference["cfg"]))
    assert said.pop("use_bert_text_cond") is True
    said["dim_mults"] = tuple(said["dim_mults"])
    return filled(Unet3D(Unet3DConfig(cond_dim=768, **said)).double()).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    clip = np.random.RandomState(1).standard_normal((2, 3, 5, 16, 16))
    cond = np.random.RandomState(2).standard_normal((2, 768))
    return torch.from_numpy(clip), torch.tensor([3, 7]), torch.from_numpy(cond)


class TestNetwork:
    """The published network, weight for weight and number for number."""

    def test_its_weights_have_the_published_names_in_their_order(
        self, network: Unet3D, reference: Mapping[str, np.ndarray]
    ) -> None:
        assert [name for name, _ in network.named_parameters()] == reference["param_names"].tolist()

    @pytest.mark.parametrize(
        ("name", "masks"), [("y", {}), ("y_null", {"null_mask": True}), ("y_focus", {"focus_present_mask": True})]
    )
    def test_it_answers_what_the_published_one_answers(
        self, network: Unet3D, reference: Mapping[str, np.ndarray], name: str, masks: dict[str, bool]
    ) -> None:
        given_masks = {key: torch.full((2,), value) for key, value in masks.items()}
        with torch.inference_mode():
            answer = network(*inputs(), **given_masks).numpy()
        assert np.abs(answer - reference[name]).max() <= 1e-12

    def test_masks_act_on_their_own_clip_alone(self, network: Unet3D, reference: Mapping[str, np.ndarray]) -> None:
        first = torch.tensor([True, False])
        with torch.inference_mode():
            nulled = network(*inputs(), null_mask=first).numpy()
            focused = network(*inputs(), focus_present_mask=first).numpy()
        for answer, name in ((nulled, "y_null"), (focused, "y_focus")):
            assert np.abs(answer[0] - reference[name][0]).max() <= 1e-12
            assert np.abs(answer[1] - reference["y"][1]).max() <= 1e-12
            assert np.abs(reference[name] - reference["y"]).max() > 1e-6  # the masks do something

    def test_its_noise_schedule_is_the_stored_one(self, reference: Mapping[str, np.ndarray]) -> None:
        stored = reference["alphas_cumprod10"]
        assert stored.dtype == np.float32
        assert np.abs(cosine_alphas_cumprod(10).float().numpy() - stored).max() <= 1e-12

    def test_focused_frames_see_each_other_in_the_stem_and_nowhere_else(self, network: Unet3D) -> None:
        clip, time, cond = inputs()
        changed = clip.clone()
        changed[:, :, 0] += 1
        focus = torch.tensor([True, True])
        stem = network.init_temporal_attn.fn.fn.fn.to_out.weight
        kept = stem.data.clone()
        with torch.inference_mode():
            leak = network(clip, time, cond, None, focus) - network(changed, time, cond, None, focus)
            stem.zero_()
            no_leak = network(clip, time, cond, None, focus) - network(changed, time, cond, None, focus)
            stem.copy_(kept)
        assert leak[:, :, 1:].abs().max() > 1e-6
        assert no_leak[:, :, 0].abs().max() > 1e-3 and no_leak[:, :, 1:].abs().max() < 1e-14

    @pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
    def test_any_number_of_frames_goes_through(self, num_frames: int) -> None:
        network = filled(Unet3D(WORDLESS)).eval()
        with torch.inference_mode():
            answer = network(torch.zeros(1, 3, num_frames, 8, 12), torch.tensor([3]))
        assert answer.shape == (1, 3, num_frames, 8, 12) and answer.isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        network, with_words = Unet3D(WORDLESS), Unet3D(WORDS)
        clip, time = torch.zeros(1, 3, 2, 8, 8), torch.tensor([3])
        with pytest.raises(ValueError, match="multiples of 2"):
            network(clip[..., :7], time)
        with pytest.raises(ValueError, match="text vector"):
            network(clip, time, torch.zeros(1, 16))
        with pytest.raises(ValueError, match="text vector"):
            with_words(clip, time)
        for wrong in (
            {"dim": 7},
            {"dim": 2},
            {"dim_mults": ()},
            {"attn_dim_head": 3},
            {"cond_dim": 0},
            {"init_kernel_size": 4},
        ):
            with pytest.raises(ValueError, match="must be"):
                replace(WORDLESS, **wrong)

    def test_distances_fall_into_the_buckets_of_t5(self) -> None:
        distance = torch.arange(-64, 65)
        found = bucket(distance)
        assert found.min() == 0 and found.max() == 31
        assert torch.equal(found[distance > 0], found[distance < 0].flip(0) + 16)
        past = found[distance <= 0].flip(0)
        assert past[:8].tolist() == list(range(8))  # one frame each
        assert (past.diff() >= 0).all() and past[8] == 8 and (past[32:] == 15).all()


class TestDiffusion:
    """What a network may predict, and the walk from noise to a clip."""

    @given(angle=st.floats(0.05, math.pi / 2 - 0.05), kind=st.sampled_from(PREDICTIONS), seed=st.integers(0, 2**31 - 1))
    def test_clean_and_noise_come_back_from_every_prediction(self, angle: float, kind: Any, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
            clean, noise = torch.randn((2, 2, 3, 4, 4), generator=generator, dtype=dtype)
            alpha, sigma = math.cos(angle), math.sin(angle)
            noisy = add_noise(clean, noise, alpha, sigma)
            predicted = prediction_target(clean, noise, alpha, sigma, kind)
            found = clean_and_noise(predicted, noisy, alpha, sigma, kind)
            assert torch.stack(found).sub(torch.stack((clean, noise))).abs().max() <= tolerance

    def test_a_level_for_each_clip_broadcasts(self) -> None:
        clean, noise = torch.randn((2, 3, 3, 2, 4, 4), dtype=torch.float64)
        angles = torch.tensor([0.2, 0.7, 1.3], dtype=torch.float64).view(3, 1, 1, 1, 1)
        both = prediction_target(clean, noise, angles.cos(), angles.sin(), "v_prediction")
        alone = prediction_target(clean[1], noise[1], math.cos(0.7), math.sin(0.7), "v_prediction")
        assert (both[1] - alone).abs().max() <= 1e-15

    def test_ddim_with_v_is_a_rotation(self) -> None:
        """Salimans and Ho 2022, appendix D: z_s = cos(phi_s - phi_t) z_t + sin(phi_s - phi_t) v."""
        generator = torch.Generator().manual_seed(0)
        levels = cosine_alphas_cumprod(20)
        seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []

        def predict(noisy: torch.Tensor, index: int) -> torch.Tensor:
            v = 0.01 * torch.randn(noisy.shape, generator=generator, dtype=noisy.dtype)
            seen.append((index, noisy, v))
            return v

        def noise() -> torch.Tensor:
            return 0.01 * torch.randn((1, 3, 2, 4, 4), generator=generator, dtype=torch.float64)  # never clipped

        Diffusion(levels, "v_prediction", sampler="ddim").sample(predict, noise, 9, ignore)
        assert len(seen) == 9
        for (index, noisy, v), (after, noisy_after, _) in pairwise(seen):
            turn = math.acos(math.sqrt(levels[after])) - math.acos(math.sqrt(levels[index]))
            assert (math.cos(turn) * noisy + math.sin(turn) * v - noisy_after).abs().max() <= 1e-12

    @pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
    @pytest.mark.parametrize("kind", PREDICTIONS)
    @pytest.mark.parametrize("steps", [1, 7, 50])
    def test_a_network_that_knows_the_clip_draws_it(self, sampler: Any, kind: Any, steps: int) -> None:
        generator = torch.Generator().manual_seed(1)
        clip = torch.rand((1, 3, 3, 4, 4), generator=generator, dtype=torch.float64) * 2 - 1
        levels = cosine_alphas_cumprod(50)

        def predict(noisy: torch.Tensor, index: int) -> torch.Tensor:
            alpha, sigma = levels[index].sqrt(), (1 - levels[index]).sqrt()
            return prediction_target(clip, (noisy - alpha * clip) / sigma, alpha, sigma, kind)

        def noise() -> torch.Tensor:
            return torch.randn(clip.shape, generator=generator, dtype=torch.float64)

        drawn = Diffusion(levels, kind, sampler=sampler).sample(predict, noise, steps, ignore)
        assert (drawn - clip).abs().max() < 1e-9

    @pytest.mark.parametrize("ratio", [None, 0.9])
    def test_all_steps_are_the_published_walk(self, ratio: float | None) -> None:
        """Their loop, from the buffers their files hold (here in float64), on the same noise."""
        network = filled(Unet3D(WORDLESS)).double().eval()
        noises = torch.randn((6, 1, 3, 2, 8, 8), generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 3
        left, levels = iter(noises), cosine_alphas_cumprod(6)
        with torch.inference_mode():
            ours = Diffusion(levels, dynamic_thresholding_ratio=ratio).sample(
                lambda noisy, index: network(noisy, torch.tensor([index])), lambda: next(left), 6, ignore
            )
            before = torch.cat((torch.ones(1, dtype=torch.float64), levels[:-1]))
            betas = 1 - levels / before
            theirs = noises[0]
            for t in reversed(range(6)):
                clean = (1 / levels[t]).sqrt() * theirs - (1 / levels[t] - 1).sqrt() * network(
                    theirs, torch.tensor([t])
                )
                limit = max(1.0, clean.abs().quantile(ratio).item()) if ratio else 1.0
                clean = clean.clamp(-limit, limit) / limit
                mean = betas[t] * before[t].sqrt() / (1 - levels[t]) * clean
                mean += (1 - before[t]) * (1 - betas[t]).sqrt() / (1 - levels[t]) * theirs
                variance = betas[t] * (1 - before[t]) / (1 - levels[t])
                theirs = mean + variance.sqrt() * noises[6 - t] if t else mean
        assert (ours - theirs).abs().max() <= 1e-12
        assert ours.abs().max() <= 1 and ours.std() > 0.1

    @given(st.integers(2, 200), st.data())
    def test_a_jump_between_any_levels_keeps_the_amount_of_noise(self, num_timesteps: int, data: st.DataObject) -> None:
        levels = cosine_alphas_cumprod(num_timesteps).tolist()
        after = data.draw(st.integers(0, num_timesteps - 2))
        kept, kept_next = levels[data.draw(st.integers(after + 1, num_timesteps - 1))], levels[after]
        of_clean, of_noisy, variance = posterior(kept, kept_next)
        assert abs(of_clean + of_noisy * math.sqrt(kept) - math.sqrt(kept_next)) < 1e-12
        assert variance > 0 and abs(of_noisy**2 * (1 - kept) + variance - (1 - kept_next)) < 1e-12

    @given(st.integers(1, 1000), st.integers(1, 1500))
    def test_steps_begin_at_the_noisiest_level_and_visit_none_twice(self, num_timesteps: int, steps: int) -> None:
        found = inference_timesteps(num_timesteps, steps)
        assert len(found) == min(num_timesteps, steps)
        assert found[0] == num_timesteps - 1 and found[-1] >= 0
        gaps = -np.diff(found)
        assert len(gaps) == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)
        assert abs(found[-1] + 1 - num_timesteps / len(found)) < 1

    def test_steps_are_spaced_from_the_noisy_end(self) -> None:
        assert inference_timesteps(1000, 4) == [999, 749, 499, 249]
        assert inference_timesteps(10, 4) == [9, 6, 4, 1]

    def test_nothing_to_do_is_refused(self) -> None:
        with pytest.raises(ValueError, match="step"):
            inference_timesteps(10, 0)
        with pytest.raises(ValueError, match="timestep"):
            cosine_alphas_cumprod(0)

    @given(st.integers(0, 2**31 - 1), st.floats(0.01, 1), st.floats(0.1, 10))
    def test_thresholds_are_quantiles_of_each_clip(self, seed: int, ratio: float, size: float) -> None:
        clip = torch.randn((3, 1, 2, 3, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * size
        clip[1] /= 100
        limits = clip.abs().flatten(1).quantile(ratio, dim=1).clamp(min=1)
        for one, limit, found in zip(clip, limits, threshold(clip, ratio), strict=True):
            assert (found - one.clamp(-limit, limit) / limit).abs().max() <= 1e-12
        assert threshold(clip, ratio).abs().max() <= 1
        assert torch.equal(threshold(clip), clip.clamp(-1, 1))


class TestFiles:
    """What the trainers wrote is what is loaded; anything else is refused with a reason."""

    @given(
        st.builds(
            Unet3DConfig,
            dim=st.sampled_from([4, 6, 8, 64]),
            dim_mults=st.lists(st.integers(1, 8), min_size=1, max_size=4).map(tuple),
            channels=st.integers(1, 4),
            cond_dim=st.none() | st.integers(1, 768),
            attn_heads=st.integers(1, 8),
            attn_dim_head=st.sampled_from([2, 6, 32, 34]),
            init_kernel_size=st.sampled_from([1, 3, 7]),
            use_sparse_linear_attn=st.booleans(),
            out_dim=st.none() | st.just(5),
        )
    )
    @settings(max_examples=30, deadline=None)
    def test_a_networks_shape_is_read_off_its_weights(self, config: Unet3DConfig) -> None:
        with torch.device("meta"):
            state = Unet3D(config).state_dict()
        assert config_of(state) == config

    @pytest.mark.parametrize("num_timesteps", [10, 1000])  # the defaults of text2video-from-scratch and the other one
    @pytest.mark.parametrize(
        ("config", "wrapper"),
        [
            (WORDLESS, ""),
            (WORDS, "module."),
            (Unet3DConfig(4, (1, 2, 1), 1, None, 1, 34, 1, use_sparse_linear_attn=False), ""),
        ],
    )
    def test_a_trainers_file_gives_its_averaged_weights(
        self, tmp_path: Path, num_timesteps: int, config: Unet3DConfig, wrapper: str
    ) -> None:
        file = save_tiny_unet3d(tmp_path, config, num_timesteps, wrapper) / "model-1.pt"
        averaged, last = (filled(Unet3D(config), seed, GAIN).state_dict() for seed in (0, 1))
        for weights, expected in (("ema", averaged), ("model", last)):
            checkpoint = read_checkpoint(file, weights)
            assert checkpoint.step == 1234 and checkpoint.num_train_timesteps == num_timesteps
            assert checkpoint.state.keys() == expected.keys()
            assert all(torch.equal(checkpoint.state[key], expected[key]) for key in expected)
        model = load(tmp_path)
        assert len(model.diffusion.alphas_cumprod) == num_timesteps and model.network.config == config
        assert all(torch.equal(value, averaged[key]) for key, value in model.network.state_dict().items())
        assert not any(value.is_meta or value.requires_grad for value in model.network.parameters())

    def test_other_ways_to_keep_the_same_weights_draw_the_same_clip(
        self, tmp_path: Path, wordless: Unet3DFamily
    ) -> None:
        from safetensors.torch import save_file

        expected = wordless.denoise(wordless.encode_text("", ""), SAMPLING, ignore)
        state, network = trainer_data(WORDLESS)["ema"], filled(Unet3D(WORDLESS), gain=GAIN).state_dict()
        # safetensors refuses weights that share memory: only one copy of the rotary frequencies is kept.
        once = {key: value.clone() for key, value in state.items() if "downs" not in key or "rotary" not in key}
        assert len(once) == len(state) - 2
        save_file(once, made(tmp_path / "flat") / "a.safetensors")
        save_file({f"ema.{key}": value for key, value in once.items()}, made(tmp_path / "nested") / "a.safetensors")
        torch.save(network, made(tmp_path / "bare") / "a.pth")
        torch.save({"step": 1, "model": state}, made(tmp_path / "unaveraged") / "a.pt")
        torch.save({"ema": state}, made(tmp_path / "legacy") / "a.pt", _use_new_zipfile_serialization=False)
        assert "how many noise levels" in refusal(tmp_path / "bare")
        (tmp_path / "bare" / "model.toml").write_text("[unet3d]\nnum_train_timesteps = 10\n")
        for name in ("flat", "nested", "bare", "unaveraged", "legacy"):
            model = load(tmp_path / name)
            assert np.array_equal(model.denoise(model.encode_text("", ""), SAMPLING, ignore), expected), name
        assert load(tmp_path / "flat" / "a.safetensors").name == "a"  # the file itself may be named

    def test_half_precision_files_load_as_float32(self, tmp_path: Path) -> None:
        state = {key: value.half() for key, value in trainer_data(WORDLESS)["ema"].items()}
        torch.save({"ema": state}, tmp_path / "model.pt")
        model = load(tmp_path)
        assert {value.dtype for value in model.network.parameters()} == {torch.float32}
        assert len(model.diffusion.alphas_cumprod) == 10

    def test_the_table_of_a_model_says_how_it_was_trained(self, tmp_path: Path, wordless_folder: Path) -> None:
        shutil.copytree(wordless_folder, tmp_path / "own")
        (tmp_path / "own" / "model.toml").write_text(
            'title = "Mine"\n[native]\nwidth = 16\n[unet3d]\nprediction_type = "v_prediction"\nsampler = "ddim"\n'
            'dynamic_thresholding_ratio = 0.9\nweights = "model"\nnum_train_timesteps = 99\n'
        )
        model = load(tmp_path / "own")
        diffusion = model.diffusion
        assert (diffusion.prediction_type, diffusion.sampler) == ("v_prediction", "ddim")
        assert diffusion.dynamic_thresholding_ratio == 0.9
        assert len(diffusion.alphas_cumprod) == 10  # the file's own schedule goes before the table
        last = filled(Unet3D(WORDLESS), 1, GAIN)
        assert torch.equal(model.network.init_conv.weight, last.init_conv.weight)

    @pytest.mark.parametrize(
        ("table", "reason"),
        [
            ("[unet3d", "cannot be read"),
            ('[unet3d]\nprediction_type = "flow"', "prediction_type"),
            ("[unet3d]\ntimesteps = 10", "timesteps"),
            ("[unet3d]\nnum_train_timesteps = 0", "num_train_timesteps"),
            ("unet3d = 3", "wrong about unet3d"),
        ],
    )
    def test_a_damaged_table_is_said_in_one_sentence(
        self, tmp_path: Path, wordless_folder: Path, table: str, reason: str
    ) -> None:
        shutil.copytree(wordless_folder, tmp_path / "own")
        (tmp_path / "own" / "model.toml").write_text(table)
        assert reason in refusal(tmp_path / "own")

    @given(st.integers(0, 2**31 - 1), st.booleans())
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_cut_file_is_refused_wherever_it_was_cut(self, tmp_path: Path, where: int, zipped: bool) -> None:
        whole = tmp_path / f"whole-{zipped}.bin"
        if not whole.exists():
            torch.save(trainer_data(WORDLESS), whole, _use_new_zipfile_serialization=zipped)
        content = whole.read_bytes()
        (tmp_path / "cut.pt").write_bytes(content[: where % len(content)])
        # Cut within the name of a class, the older format asks for a class that nobody knows.
        reasons = ("is damaged",) if zipped else ("is damaged", "holds code")
        assert any(reason in refusal(tmp_path / "cut.pt") for reason in reasons)

    @pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
    @pytest.mark.parametrize("content", [b"", b"hello", bytes(range(256)) * 8, b"PK\x03\x04" + b"\0" * 99])
    def test_a_file_of_something_else_is_refused(self, tmp_path: Path, suffix: str, content: bytes) -> None:
        (tmp_path / f"model{suffix}").write_bytes(content)
        assert "damaged or not a file of weights" in refusal(tmp_path)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_file_that_holds_code_is_refused_and_never_run(self, tmp_path: Path, zipped: bool) -> None:
        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "sprung",)

        data = {**trainer_data(WORDLESS), "config": Trap()}
        torch.save(data, made(tmp_path / "trap") / "model.pt", _use_new_zipfile_serialization=zipped)
        assert "holds code" in refusal(tmp_path / "trap")
        torch.save(Unet3D(WORDLESS), made(tmp_path / "whole") / "model.pt", _use_new_zipfile_serialization=zipped)
        assert "holds code" in refusal(tmp_path / "whole")
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize(
        "data",
        [
            [1, 2],
            torch.ones(3),
            {},
            {"model": {}, "step": 3},
            {"ema": 5},
            {1: torch.ones(2)},
            {"ema": {"denoise_fn.init_conv.weight": "none"}},
            {"params_ema": {"conv_first.weight": torch.ones(2, 2)}},
            {"down_blocks.0.motion_modules.0.proj_in.weight": torch.ones(4, 4)},
        ],
    )
    def test_a_file_of_another_family_is_refused(self, tmp_path: Path, data: Any) -> None:
        torch.save(data, tmp_path / "model.pt")
        assert "not a checkpoint of this family" in refusal(tmp_path)

    def test_a_file_that_lacks_a_weight_is_refused(self, tmp_path: Path) -> None:
        torch.save({"ema": trainer_state(filled(Unet3D(WORDS)), 10)}, tmp_path / "model.pt")
        weights = read_checkpoint(tmp_path / "model.pt").state
        # A lost copy of the frequencies that all layers share is no loss.
        names = [name for name in weights if not name.endswith("rotary_emb.freqs")]
        assert len(names) == 145
        for name in names[::6]:
            lacking = {key: value for key, value in weights.items() if key != name}
            assert "model.pt" in said_by(lambda lacking=lacking: build_network(lacking, Path("model.pt"))), name

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"denoise_fn.mid_block1.mlp.1.bias": torch.zeros(3)}, "1 of 151 weights do not fit"),
            ({"denoise_fn.mid_block9.mlp.1.bias": torch.zeros(3)}, "first mid_block9.mlp.1.bias"),
            ({"lora.weight": torch.zeros(3)}, "first lora.weight"),
            ({"denoise_fn.time_mlp.1.weight": torch.zeros(3)}, "not complete"),
            ({"denoise_fn.time_mlp.1.weight": torch.zeros(28, 7)}, "not complete"),
            ({"denoise_fn.init_conv.bias": torch.full((8,), math.nan)}, "not numbers"),
            ({"denoise_fn.downs.0.0.block1.norm.weight": torch.ones(8)}, "early version"),
            ({"betas": torch.linspace(1e-4, 0.02, 10)}, "another noise schedule"),
            ({"betas": torch.tensor(math.nan)}, "another noise schedule"),
        ],
    )
    def test_weights_that_do_not_fit_are_named(
        self, tmp_path: Path, change: dict[str, torch.Tensor], reason: str
    ) -> None:
        torch.save({"ema": {**trainer_state(filled(Unet3D(WORDS)), 10), **change}}, tmp_path / "model.pt")
        assert reason in refusal(tmp_path)

    @pytest.mark.parametrize("changes", [{"channels": 2}, {"out_dim": 6}])
    def test_a_network_that_draws_no_pictures_is_refused(self, tmp_path: Path, changes: dict[str, int]) -> None:
        save_tiny_unet3d(tmp_path, replace(WORDLESS, **changes))
        assert "not a picture's" in refusal(tmp_path)

    def test_a_folder_holds_one_weight_file(self, tmp_path: Path, wordless_folder: Path) -> None:
        assert "no weight file" in refusal(tmp_path)
        for name in ("model-9.pt", "model-10.pt"):
            shutil.copy(wordless_folder / "model-1.pt", tmp_path / name)
        assert "2 weight files" in refusal(tmp_path)
        assert "no folder" in said_by(lambda: load_unet3d(spec_of(None), pick_device("cpu")))

    def test_loading_leaves_chance_and_the_folder_alone(self, words_folder: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in words_folder.rglob("*")}
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        model = spec_of(words_folder).load(pick_device("cpu"))
        model.denoise(model.encode_text("a", "b"), replace(SAMPLING, num_inference_steps=1), ignore)
        assert torch.equal(torch.rand(3), expected)
        assert {path: path.stat().st_mtime_ns for path in words_folder.rglob("*")} == before


class TestDrawing:
    """The family's promises: one seed one clip, a picture at every step, one pass where one is enough."""

    def test_the_same_seed_is_the_same_clip_and_another_seed_is_not(self, wordless: Unet3DFamily) -> None:
        text = wordless.encode_text("a dog", "")
        first = wordless.denoise(text, SAMPLING, ignore)
        torch.manual_seed(99)  # the process's own randomness plays no part
        again = wordless.denoise(text, SAMPLING, ignore)
        other = wordless.denoise(text, replace(SAMPLING, seed=8), ignore)
        assert first.shape == (3, 3, 16, 16) and first.dtype == np.float32
        assert np.abs(first).max() <= 1 and first.std() > 0.1
        assert np.array_equal(first, again)
        assert np.abs(first - other).max() > 0.1

    def test_every_step_shows_a_clean_clip_and_may_stop(self, wordless: Unet3DFamily) -> None:
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

    def test_the_last_step_shows_what_is_returned(self, wordless: Unet3DFamily) -> None:
        shown: list[np.ndarray] = []
        clip = wordless.denoise({}, SAMPLING, lambda done, total, clean: shown.append(clean))
        assert np.array_equal(shown[-1], clip) and not np.array_equal(shown[0], clip)

    @pytest.mark.parametrize(("asked", "made"), [(1, 1), (4, 4), (10, 10), (50, 10)])
    def test_there_are_no_more_steps_than_noise_levels(self, wordless: Unet3DFamily, asked: int, made: int) -> None:
        seen: list[tuple[int, int]] = []
        sampling = replace(SAMPLING, num_inference_steps=asked, num_frames=1)
        wordless.denoise({}, sampling, lambda done, total, clean: seen.append((done, total)))
        assert seen == [(done, made) for done in range(1, made + 1)]

    @pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
    def test_guidance_one_is_one_forward_pass(self, words: Unet3DFamily, wordless: Unet3DFamily, scale: float) -> None:
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
    def test_guidance_leads_from_no_words_to_the_words(self, words: Unet3DFamily, negative: str) -> None:
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

    def test_the_prompt_and_its_opposite_steer(self, words: Unet3DFamily) -> None:
        base = words.denoise(words.encode_text("a dog", ""), SAMPLING, ignore)
        for prompt, negative in (("a cat", ""), ("a dog", "rain")):
            other = words.denoise(words.encode_text(prompt, negative), SAMPLING, ignore)
            assert np.abs(base - other).max() > 1e-3

    @pytest.mark.parametrize(("frames", "width", "height"), [(1, 16, 16), (7, 13, 10), (5, 1, 3)])
    def test_odd_lengths_and_sizes_work(self, wordless: Unet3DFamily, frames: int, width: int, height: int) -> None:
        sampling = replace(SAMPLING, num_frames=frames, width=width, height=height)
        shapes: list[tuple[int, ...]] = []
        clip = wordless.denoise({}, sampling, lambda done, total, clean: shapes.append(clean.shape))
        assert clip.shape == (3, frames, height, width) and shapes == [clip.shape] * 4
        assert wordless.decode(clip).shape == (frames, height, width, 3)

    def test_the_sampler_can_be_chosen(self, wordless: Unet3DFamily) -> None:
        native, ancestral, ddim = (
            wordless.denoise({}, replace(SAMPLING, scheduler=name), ignore) for name in ("native", "ancestral", "ddim")
        )
        assert np.array_equal(native, ancestral) and np.abs(native - ddim).max() > 0.01
        with pytest.raises(InvalidRequest, match="no sampler 'unipc'"):
            wordless.denoise({}, replace(SAMPLING, scheduler="unipc"), ignore)

    def test_frames_may_share_their_noise(self, wordless: Unet3DFamily) -> None:
        own, shared = (
            wordless.denoise({}, replace(SAMPLING, shared_noise=share), ignore).std(axis=1).mean()
            for share in (0.0, 1.0)
        )
        assert shared < own / 2

    def test_pixels_become_pictures(self, wordless: Unet3DFamily) -> None:
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
    def test_grey_and_transparent_networks_draw_colour_clips(self, tmp_path: Path, channels: int) -> None:
        model = load(save_tiny_unet3d(tmp_path, replace(WORDLESS, channels=channels)))
        native = {"width": 16, "height": 16, "num_frames": 3, "num_inference_steps": 2, "guidance_scale": 2.0}
        clip = draw(model, native, "a dog", seed=1)
        assert clip.shape == (3, 16, 16, 3) and clip.dtype == np.uint8
        assert (channels == 1) == bool((clip == clip[..., :1]).all())


class TestWords:
    """A prompt becomes the vector the network was taught with."""

    def test_the_vector_is_the_mean_of_the_tokens_after_the_first(
        self, words: Unet3DFamily, words_folder: Path, tmp_path: Path
    ) -> None:
        from transformers import BertModel, BertTokenizer

        tokens = BertTokenizer.from_pretrained(str(words_folder / "tokenizer"))(["a dog"], return_tensors="pt")
        assert tokens["input_ids"].shape == (1, 6)  # [CLS] a d ##o ##g [SEP]
        with torch.inference_mode():
            bert = BertModel.from_pretrained(str(words_folder / "text_encoder"), add_pooling_layer=False).eval()
            states = bert(**tokens, output_hidden_states=True).hidden_states[-1][0].numpy()
        text = words.encode_text("a dog", "")
        assert text.keys() == {"prompt_embeds"} and text["prompt_embeds"].shape == (1, 16)
        assert np.abs(text["prompt_embeds"][0] - states[1:].mean(axis=0)).max() < 1e-6
        shutil.copytree(words_folder, tmp_path / "cls")
        (tmp_path / "cls" / "model.toml").write_text('[unet3d]\ntext_pooling = "cls"\n')
        by_first = load(tmp_path / "cls").encode_text("a dog", "rain")
        assert np.abs(by_first["prompt_embeds"][0] - states[0]).max() < 1e-6
        assert by_first["negative_prompt_embeds"].shape == (1, 16)

    @given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**31 - 1))
    def test_padding_counts_for_nothing(self, tokens: int, padding: int, seed: int) -> None:
        states = torch.randn((2, tokens + padding, 4), generator=torch.Generator().manual_seed(seed))
        mask = torch.cat((torch.ones(2, tokens), torch.zeros(2, padding)), dim=1).long()
        found = mean_after_first(states, mask)
        expected = states[:, 1:tokens].mean(dim=1) if tokens > 1 else torch.zeros(2, 4)
        assert (found - expected).abs().max() < 1e-6

    def test_a_prompt_longer_than_the_encoder_is_cut(self, words: Unet3DFamily) -> None:
        long, longer = (words.encode_text("a " * count, "")["prompt_embeds"] for count in (30, 300))
        assert np.array_equal(long, longer) and np.isfinite(long).all()

    def test_a_network_without_words_says_so(self, wordless: Unet3DFamily, words: Unet3DFamily) -> None:
        assert wordless.note == "wordless draws without words: it was trained on clips alone."
        assert words.note == "" and wordless.read("a dog") is None and words.read("a dog") is None
        text = wordless.encode_text("a dog", "rain")
        assert {name: value.shape for name, value in text.items()} == {"prompt_embeds": (1, 0)}

    def test_a_network_with_words_needs_their_encoder(self, tmp_path: Path, words_folder: Path) -> None:
        shutil.copytree(words_folder, tmp_path / "alone")
        shutil.rmtree(tmp_path / "alone" / "text_encoder")
        assert "text encoder in alone cannot be loaded" in refusal(tmp_path / "alone")
        shutil.rmtree(tmp_path / "alone" / "tokenizer")
        model = load(tmp_path / "alone")
        assert "taught words" in said_by(lambda: model.encode_text("a dog", ""))

    @pytest.mark.parametrize("damage", ["cut", "empty", "lacking", "narrow", "tokenizer"])
    def test_a_damaged_encoder_is_said_in_one_sentence(self, tmp_path: Path, words_folder: Path, damage: str) -> None:
        from safetensors.torch import load_file, save_file

        folder = Path(shutil.copytree(words_folder, tmp_path / "broken"))
        weights = folder / "text_encoder" / "model.safetensors"
        if damage == "lacking":
            state = load_file(weights)
            del state["encoder.layer.0.output.dense.weight"]
            save_file(state, weights, metadata={"format": "pt"})
        elif damage == "narrow":
            save_tiny_bert(folder, 12)
        elif damage == "tokenizer":
            (folder / "tokenizer" / "tokenizer.json").write_text("{")
        else:
            weights.write_bytes(weights.read_bytes()[: 100 if damage == "cut" else 0])
        sentence = refusal(folder)
        assert "text encoder in broken" in sentence
        assert {"lacking": "lacks weights", "narrow": "gives 12 numbers, not 16"}.get(
            damage, "cannot be loaded"
        ) in sentence


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
