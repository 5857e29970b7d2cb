"""What the trainers wrote is what is loaded; anything else is refused with a reason."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffscaler.models.device import pick_device
from diffscaler.text2video.unet3d.family import Unet3DFamily, load_unet3d
from diffscaler.text2video.unet3d.load import build_network, config_of, read_checkpoint
from diffscaler.text2video.unet3d.network import Unet3D, Unet3DConfig
from tests.text2video.tiny_unet3d import (
    GAIN,
    WORDLESS,
    WORDS,
    filled,
    save_tiny_unet3d,
    trainer_data,
    trainer_state,
)
from tests.text2video.unet3d.common import SAMPLING, ignore, load, made, refusal, said_by, spec_of


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
def test_a_networks_shape_is_read_off_its_weights(config: Unet3DConfig) -> None:
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
    tmp_path: Path, num_timesteps: int, config: Unet3DConfig, wrapper: str
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


def test_other_ways_to_keep_the_same_weights_draw_the_same_clip(tmp_path: Path, wordless: Unet3DFamily) -> None:
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
        drawn = model.denoise(model.encode_text("", ""), SAMPLING, ignore)
        # Not bit for bit: on some processors products depend on where in memory the weights lie.
        assert np.abs(drawn - expected).max() < 1e-3, name
    assert load(tmp_path / "flat" / "a.safetensors").name == "a"  # the file itself may be named


def test_half_precision_files_load_as_float32(tmp_path: Path) -> None:
    state = {key: value.half() for key, value in trainer_data(WORDLESS)["ema"].items()}
    torch.save({"ema": state}, tmp_path / "model.pt")
    model = load(tmp_path)
    assert {value.dtype for value in model.network.parameters()} == {torch.float32}
    assert len(model.diffusion.alphas_cumprod) == 10


def test_the_table_of_a_model_says_how_it_was_trained(tmp_path: Path, wordless_folder: Path) -> None:
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
    tmp_path: Path, wordless_folder: Path, table: str, reason: str
) -> None:
    shutil.copytree(wordless_folder, tmp_path / "own")
    (tmp_path / "own" / "model.toml").write_text(table)
    assert reason in refusal(tmp_path / "own")


@given(st.integers(0, 2**31 - 1), st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_file_is_refused_wherever_it_was_cut(tmp_path: Path, where: int, zipped: bool) -> None:
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
def test_a_file_of_something_else_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"model{suffix}").write_bytes(content)
    assert "damaged or not a file of weights" in refusal(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_holds_code_is_refused_and_never_run(tmp_path: Path, zipped: bool) -> None:
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
def test_a_file_of_another_family_is_refused(tmp_path: Path, data: Any) -> None:
    torch.save(data, tmp_path / "model.pt")
    assert "not a checkpoint of this family" in refusal(tmp_path)


def test_a_file_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
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
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: dict[str, torch.Tensor], reason: str) -> None:
    torch.save({"ema": {**trainer_state(filled(Unet3D(WORDS)), 10), **change}}, tmp_path / "model.pt")
    assert reason in refusal(tmp_path)


@pytest.mark.parametrize("changes", [{"channels": 2}, {"out_dim": 6}])
def test_a_network_that_draws_no_pictures_is_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    save_tiny_unet3d(tmp_path, replace(WORDLESS, **changes))
    assert "not a picture's" in refusal(tmp_path)


def test_a_folder_holds_one_weight_file(tmp_path: Path, wordless_folder: Path) -> None:
    assert "no weight file" in refusal(tmp_path)
    for name in ("model-9.pt", "model-10.pt"):
        shutil.copy(wordless_folder / "model-1.pt", tmp_path / name)
    assert "2 weight files" in refusal(tmp_path)
    assert "no folder" in said_by(lambda: load_unet3d(spec_of(None), pick_device("cpu")))


def test_loading_leaves_chance_and_the_folder_alone(words_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in words_folder.rglob("*")}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = spec_of(words_folder).load(pick_device("cpu"))
    model.denoise(model.encode_text("a", "b"), replace(SAMPLING, num_inference_steps=1), ignore)
    assert torch.equal(torch.rand(3), expected)
    assert {path: path.stat().st_mtime_ns for path in words_folder.rglob("*")} == before
