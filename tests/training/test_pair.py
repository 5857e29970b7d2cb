"""The pair's recipe learns, stops and goes on, on clips drawn here in a moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from diffscaler.upscale.pair.load import read_pair
from diffscaler.upscale.pair.network import PairConfig, PairUNet, to_cells
from diffscaler.upscale.pair.ssr import bicubic, enlarged, to_unit
from diffscaler.upscale.pair.tiles import LoadedPair, Sampler, residual_of
from diffscaler.upscale.pair.tsr import condition_channels, guess_of
from tests.training.conftest import tiny_clip
from training.clips import ClipSet
from training.config import TrainingConfig
from training.events import RunError
from training.pair.data import PairData, blurred, smaller, turned
from training.pair.recipe import train_pair
from training.pair.ssr_stage import SsrStage, residual_scale
from training.pair.stage import StageSettings, temporal_names
from training.pair.tsr_data import TsrData, guess_from, sides_of, turned_guess
from training.pair.tsr_recipe import train_tsr
from training.pair.tsr_stage import TsrStage
from training.pair.tsr_stage import residual_scale as residual_scale_between


def clips(count: int = 4, side: int = 64) -> ClipSet:
    rng = np.random.default_rng(3)
    frames = np.stack([np.repeat(np.repeat(tiny_clip(rng, 4, side // 2), 2, 1), 2, 2) for _ in range(count)])
    return ClipSet(frames, np.zeros((count, 4, side // 8, side // 8), np.uint8), [["a square"]] * count)


def settings(folder: Path, **changed: object) -> TrainingConfig:
    values = {"image_steps": 2, "motion_steps": 2, "image_batch": 2, "motion_batch": 1, "frames_per_step": 4} | changed
    return TrainingConfig.model_validate(
        {"recipe": "pair", "output_dir": str(folder), "init": "", "data": "scenes", "pair_widths": (8, 16),
         "sample_every": 0, **values}
    )  # fmt: skip


class StopAfter:
    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __bool__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("looks", [1, 3])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, looks: int) -> None:
    whole = train_pair(settings(tmp_path / "whole"), clips(), False)  # type: ignore[arg-type]
    assert train_pair(settings(tmp_path / "cut"), clips(), StopAfter(looks)) is None  # type: ignore[arg-type]
    assert read_pair(tmp_path / "cut" / "model" / "ssr.safetensors").config.window == 4
    resumed = train_pair(settings(tmp_path / "cut"), clips(), False)  # type: ignore[arg-type]
    assert whole and resumed
    one, other = load_file(whole), load_file(resumed)
    assert max((one[key].float() - other[key].float()).abs().max().item() for key in one) <= 1e-3


def test_a_short_training_beats_bicubic_and_single_frames_leave_the_temporal_branches_alone() -> None:
    data = PairData(clips().frames, None, 4)
    torch.manual_seed(0)
    config = replace(PairConfig(widths=(16, 32), window=4), residual_scale=residual_scale([data.batch(
        16, 1, np.random.default_rng(0))], 4))  # fmt: skip
    network = PairUNet(config)
    stage = SsrStage(network, data, StageSettings(False, 120, 1, 8, 0.0, 3e-3, 0))
    for index in range(120):
        stage.step(index)
    stage.finish()
    new = temporal_names(network)
    assert new and all(not p.any() for n, p in network.named_parameters() if n in new and n.endswith("out.weight"))
    high = clips().frames[1]
    low = torch.nn.functional.avg_pool2d(to_unit(high), 4)
    small = ((low + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    pair = LoadedPair(network.eval().requires_grad_(False), torch.device("cpu"), torch.float32)
    truth = torch.from_numpy(high.copy()).permute(0, 3, 1, 2).float()
    made = (enlarged(pair, small, Sampler(1, 0.0, 0, 64)) - truth).square().mean()
    plain = ((bicubic(to_unit(small), 4) + 1) * 127.5 - truth).square().mean()
    assert made < 0.7 * plain
    assert stage.sample().shape == (4 * 64, 3 * 64, 3)


def test_clips_teach_the_temporal_branches() -> None:
    data = PairData(clips().frames, None, 4)
    network = PairUNet(PairConfig(widths=(8, 16), window=4))
    stage = SsrStage(network, data, StageSettings(True, 20, 1, 2, 0.0, 1e-3, 0))
    torch.nn.init.normal_(network.conv_out.weight, std=0.1)
    stage.step(0)
    new = temporal_names(network)
    assert all(p.any() for n, p in network.named_parameters() if n in new and n.endswith("out.weight"))


def test_parts_of_clips_stay_together() -> None:
    frames = clips().frames
    data = PairData(frames, None, 4)
    batch = data.batch(6, 3, np.random.default_rng(0))
    assert batch.high.shape == (6, 3, 3, 64, 64) and batch.low.shape == (6, 3, 3, 16, 16)
    difference = torch.nn.functional.avg_pool2d(batch.high.flatten(0, 1), 4) - batch.low.flatten(0, 1)
    assert difference.abs().mean() < 0.1
    # Without a VAE's clips: clean ones are told as such.
    assert set(batch.level.tolist()) - {0.0} == {x for x in batch.level.tolist() if 0.02 <= x <= 0.12}


def test_made_smaller_blurred_and_turned() -> None:
    rng, flat = np.random.default_rng(0), torch.full((2, 3, 16, 16), 0.5)
    assert (smaller(flat, 4, False, rng) - 0.5).abs().max() < 1 / 255 + 1e-6
    assert torch.allclose(blurred(flat, 2.0), flat, atol=1e-5)
    clip = torch.rand(2, 3, 4, 4)
    for bits in range(16):
        way = np.array([bool(bits >> i & 1) for i in range(4)])
        assert turned(clip, way).shape == clip.shape and (not bits) == torch.equal(turned(clip, way), clip)


def test_what_is_no_network_of_the_pair_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="not a network"):
        train_pair(settings(tmp_path / "run", init=str(tmp_path / "x.safetensors")), clips(), False)  # type: ignore[arg-type]


def test_an_error_that_moves_with_its_picture_does_not_flicker_and_one_that_stands_does() -> None:
    from tests.upscale.test_interpolate import scene
    from training.pair.steady import motion, unsteadiness

    clip = to_unit(np.stack([scene(30 + 4 * i, 30) for i in range(3)])[:, :96, :124])
    grid = motion(clip)
    assert grid.shape == (2, 96, 124, 2)
    shift = (grid[0, 40, 40, 0] + 1) * 124 / 2 - 0.5 - 40
    assert abs(float(shift) - 4) < 0.3
    moves, stands = to_cells(clip, 4)[None], to_cells(clip[:1].expand_as(clip), 4)[None]
    assert unsteadiness(moves, clip[None], 4) < 0.1 * unsteadiness(stands, clip[None], 4)


def tsr_settings(folder: Path, **changed: object) -> TrainingConfig:
    return settings(folder, recipe="pair_tsr", frames_per_step=3, **changed)


@pytest.mark.parametrize("looks", [1, 3])
def test_a_stopped_run_for_more_frames_goes_on_to_the_same_weights(tmp_path: Path, looks: int) -> None:
    whole = train_tsr(tsr_settings(tmp_path / "whole"), clips(), False)  # type: ignore[arg-type]
    assert train_tsr(tsr_settings(tmp_path / "cut"), clips(), StopAfter(looks)) is None  # type: ignore[arg-type]
    resumed = train_tsr(tsr_settings(tmp_path / "cut"), clips(), False)  # type: ignore[arg-type]
    assert whole and resumed and read_pair(whole).config.condition_channels == condition_channels(4)
    one, other = load_file(whole), load_file(resumed)
    assert max((one[key].float() - other[key].float()).abs().max().item() for key in one) <= 1e-3


def test_an_even_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not known"):
        train_tsr(settings(tmp_path, recipe="pair_tsr", frames_per_step=4), clips(), False)  # type: ignore[arg-type]


def between_data(folder: Path) -> TsrData:
    frames = clips().frames
    return TsrData(frames, {1: sides_of(frames, 1, folder / "sides.npy", lambda done: None)})


def test_a_short_training_comes_nearer_to_the_frame_between_than_the_flow(tmp_path: Path) -> None:
    data = between_data(tmp_path)
    torch.manual_seed(0)
    unit = residual_scale_between(data, 8, 4, np.random.default_rng(0))
    network = PairUNet(PairConfig(4, condition_channels(4), (16, 32), window=3, residual_scale=unit))
    stage = TsrStage(network, data, StageSettings(False, 100, 1, 6, 0.0, 1e-2, 0))
    seen = [data.window(3, np.random.default_rng([7, i])) for i in range(6)]
    flow = np.mean([float((w.guess.base - w.truth).square()[1::2].mean()) for w in seen])
    for index in range(100):
        stage.step(index)
    stage.finish()
    network.eval().requires_grad_(False)
    made = []
    for window in seen:
        told = window.guess.told(4)
        pair = LoadedPair(network, torch.device("cpu"), torch.float32, temporal=False)
        left = residual_of(pair, told, Sampler(1, 0.0, 0, 64), lambda *_: None)
        made.append(float((window.guess.base + left - window.truth).square()[1::2].mean()))
    assert np.mean(made) < 0.9 * flow
    assert stage.sample().shape == (4 * 64, 3 * 64, 3)


def test_a_window_is_what_the_stage_is_given_and_backwards_its_sides_change_places(tmp_path: Path) -> None:
    data = between_data(tmp_path)
    frames = clips().frames[1, :3]
    truth = to_unit(frames)
    kept, given = guess_from(truth, np.asarray(data.sides[1][1, :3])), guess_of(frames[::2])
    assert (kept.base - given.base).abs().max() < 3 / 127.5 and (kept.share - given.share).abs().max() < 1 / 255
    back = turned_guess(kept, np.array([False, False, False, True]))
    expected = guess_of(frames[::-2])
    # DIS is not the same both ways to the last pixel.
    assert (back.base - expected.base).abs().mean() < 0.02 and (back.gap - expected.gap).abs().mean() < 0.05
    assert torch.allclose(back.base[0], truth[2]) and not back.share[::2].any()
    moment = data.moment(np.random.default_rng(0))
    assert len(moment.truth) == 1 and not moment.guess.told(4)[:, -1].any()
