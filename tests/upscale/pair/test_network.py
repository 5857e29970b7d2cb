"""A fresh video network is its image network; what it sees is finite in space, and time has no beginning for it."""

from __future__ import annotations

import math

import pytest
import torch

from diffscaler.upscale.pair.network import PairConfig, PairUNet, from_cells, preconditioning, to_cells
from diffscaler.upscale.pair.sampling import denoised, noise_field, noised
from tests.upscale.pair.tiny import inputs, tiny


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_a_fresh_network_draws_each_frame_as_its_image_network(frames: int) -> None:
    network, (noisy, told, time, level) = tiny(temporal=False), inputs(2, frames)
    whole = network(noisy, told, time, level)
    alone = [network(noisy[:, [i]], told[:, [i]], time, level) for i in range(frames)]
    assert whole.abs().mean() > 0.01 and (whole - torch.cat(alone, dim=1)).abs().max() <= 1e-5


def test_without_its_temporal_branches_it_is_the_image_network_at_any_time() -> None:
    network, (noisy, told, time, level) = tiny(), inputs()
    whole = network(noisy, told, time, level, temporal=False)
    alone = [network(noisy[:, [i]], told[:, [i]], time, level, temporal=False) for i in range(4)]
    assert (whole - torch.cat(alone, dim=1)).abs().max() <= 1e-5
    assert (whole - network(noisy, told, time, level)).abs().max() > 1e-2


def test_equal_frames_stay_equal() -> None:
    network, (noisy, told, time, level) = tiny(), inputs()
    made = network(noisy[:, :1].expand(-1, 4, -1, -1, -1), told[:, :1].expand(-1, 4, -1, -1, -1), time, level)
    assert (made - made[:, :1]).abs().max() <= 1e-5


def test_a_cell_sees_no_farther_than_its_reach() -> None:
    network, (noisy, told, time, level) = tiny(), inputs(frames=2, height=4, width=80)
    changed = told.clone()
    changed[..., 60:] += 1
    difference = (network(noisy, changed, time, level) - network(noisy, told, time, level)).abs().amax((0, 1, 2, 3))
    assert difference[: 60 - network.reach].max() <= 1e-6 and difference[60:].max() > 1e-3


def test_a_text_says_nothing_until_it_has_learnt_and_one_without_refuses_it() -> None:
    torch.manual_seed(0)
    network, given = PairUNet(PairConfig(widths=(8, 16), text_width=6)), inputs()
    torch.nn.init.normal_(network.conv_out.weight)
    text = torch.randn(1, 3, 6)
    assert torch.equal(network(*given, text), network(*given))
    assert network.embed_text is not None
    torch.nn.init.normal_(network.embed_text.weight)
    for block in network.blocks_up:
        torch.nn.init.normal_(block.modulate.weight)
        torch.nn.init.normal_(block.second.weight)
    assert (network(*given, text) - network(*given)).abs().max() > 1e-3
    with pytest.raises(ValueError, match="no text"):
        tiny()(*given, text)


def test_more_frames_than_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        tiny(window=3)(*inputs(frames=4))


def test_the_shipped_size_is_small() -> None:
    assert sum(weight.numel() for weight in PairUNet(PairConfig()).parameters()) <= 1_500_000


def test_a_config_survives_its_file() -> None:
    config = PairConfig(widths=(8, 24), residual_scale=0.07)
    assert PairConfig.loads(config.dumps()) == config


def test_cells_and_back() -> None:
    clip = torch.rand(2, 3, 3, 8, 12)
    assert to_cells(clip, 4).shape == (2, 3, 48, 2, 3) and torch.equal(from_cells(to_cells(clip, 4), 4), clip)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_perfect_network_finds_what_was_hidden_in_any_number_of_steps(steps: int) -> None:
    clean, noise = torch.randn(1, 5), torch.randn(1, 5)

    def predict(z: torch.Tensor, time: float) -> torch.Tensor:
        at, v = noised(clean, noise, torch.tensor([time]))
        assert torch.allclose(z, at, atol=1e-5)
        return v

    assert torch.allclose(denoised(predict, noise, steps), clean, atol=1e-5)


def test_what_is_told_by_the_noisy_cell_alone_is_the_best_linear_guess() -> None:
    clean, noise = torch.randn(200_000) * 0.5, torch.randn(200_000)
    z, v = noised(clean[None], noise[None], torch.tensor([0.4]))
    keep, gain = preconditioning(torch.tensor([0.4]), 0.5)
    assert math.isclose(keep.item(), ((v * z).mean() / (z * z).mean()).item(), abs_tol=0.01)
    assert math.isclose(gain.item(), (v - keep * z).std().item(), abs_tol=0.01)


def test_noise_depends_on_seed_and_place_alone() -> None:
    small, large = noise_field(4, 5, 6, seed=3), noise_field(4, 300, 280, seed=3)
    assert torch.equal(large[:, :5, :6], small) and not torch.equal(small, noise_field(4, 5, 6, seed=4))
    assert abs(large.std().item() - 1) < 0.02
