"""Frames that look at other frames: equal to the originals' networks, and to the library's frozen processors."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffscaler import compat

DATA = Path(__file__).parents[1] / "data"
FRAMES = 5


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    compat.install()  # before the first import of diffusers


def named(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """What the originals' numbers were made with: a tensor from its name, float64."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    values *= 0.05 if len(shape) > 1 else 0.1
    return torch.from_numpy(values + 1.0 if "norm" in key and key.endswith("weight") else values)


def network(name: str, tails: bool) -> tuple[Any, Any]:
    """(the original's numbers, an image U-Net with its weights, float64)."""
    from diffusers import UNet2DConditionModel

    from diffscaler.text2video.frame_attention import add_temporal_tails

    stored = np.load(DATA / f"{name}.npz")
    unet = UNet2DConditionModel(
        **json.loads(str(stored["cfg"])), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).double().eval()  # fmt: skip
    if tails:
        add_temporal_tails(unet)
    unet.load_state_dict({key: named(key, tuple(value.shape)) for key, value in unet.state_dict().items()})
    return stored, unet


def run(unet: Any, *ways: Any) -> np.ndarray:
    """The original's inputs through the network -> (B, C, F, h, w)."""
    from contextlib import ExitStack

    random = np.random.RandomState
    x = torch.from_numpy(random(1).standard_normal((2, 4, FRAMES, 8, 8)))
    text = torch.from_numpy(random(2).standard_normal((2, 7, 24)))
    with ExitStack() as stack, torch.no_grad():
        for way in ways:
            stack.enter_context(way)
        y = unet(
            x.transpose(1, 2).flatten(0, 1),
            torch.tensor([500, 37]).repeat_interleave(FRAMES),
            encoder_hidden_states=text.repeat_interleave(FRAMES, dim=0),
        ).sample
    return y.unflatten(0, (2, FRAMES)).transpose(1, 2).numpy()


def test_tune_a_video_is_the_originals() -> None:
    from diffscaler.text2video.frame_attention import first_and_previous, joint_norms, looking_at, temporal_tails

    stored, unet = network("tav_tiny", tails=True)
    table = first_and_previous(FRAMES)
    ways = (looking_at(unet, table), joint_norms(unet, FRAMES), temporal_tails(unet, FRAMES))
    assert np.abs(run(unet, *ways) - stored["y"]).max() < 1e-12
    # Norms per frame, as the library has them, are another network.
    without = (looking_at(unet, table), temporal_tails(unet, FRAMES))
    assert np.abs(run(unet, *without) - stored["y"]).max() > 0.01


def test_control_video_is_the_originals_with_all_frames_and_with_the_ends_of_an_interval() -> None:
    from diffscaler.text2video.frame_attention import all_frames, joint_norms, looking_at, these_frames

    stored, unet = network("cv_tiny", tails=False)
    whole = run(unet, looking_at(unet, all_frames(FRAMES)), joint_norms(unet, FRAMES))
    assert np.abs(whole - stored["y"]).max() < 1e-12
    ends = these_frames(FRAMES, (0, FRAMES - 1))
    inter = run(unet, looking_at(unet, ends), joint_norms(unet, FRAMES))
    assert np.abs(inter - stored["y_inter"]).max() < 1e-12


def test_looking_at_oneself_is_the_image_model_and_nothing_stays_behind() -> None:
    from diffscaler.text2video.frame_attention import all_frames, joint_norms, looking_at, own_frame

    _, unet = network("cv_tiny", tails=False)
    plain = run(unet)
    assert np.abs(run(unet, looking_at(unet, own_frame(FRAMES))) - plain).max() < 1e-12
    run(unet, looking_at(unet, all_frames(FRAMES)), joint_norms(unet, FRAMES))
    assert np.array_equal(run(unet), plain)


def test_tails_do_nothing_before_they_are_trained() -> None:
    from diffscaler.text2video.frame_attention import add_temporal_tails, temporal_tails

    _, unet = network("cv_tiny", tails=False)
    plain = run(unet)
    add_temporal_tails(unet)
    assert np.array_equal(run(unet, temporal_tails(unet, FRAMES)), plain)


def test_the_first_frames_table_is_text2video_zeros_processor() -> None:
    from diffusers.pipelines.deprecated.text_to_video_synthesis.pipeline_text_to_video_zero import (
        CrossFrameAttnProcessor,
    )

    from diffscaler.text2video.frame_attention import first_frame, looking_at

    _, unet = network("cv_tiny", tails=False)
    ours = run(unet, looking_at(unet, first_frame(FRAMES)))
    unet.set_attn_processor(CrossFrameAttnProcessor(batch_size=2))
    assert np.abs(ours - run(unet)).max() < 1e-12


def test_full_attention_does_not_know_the_order_of_frames() -> None:
    from diffscaler.text2video.frame_attention import FrameAttnProcessor, all_frames

    _, unet = network("cv_tiny", tails=False)
    attention = unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    attention.set_processor(FrameAttnProcessor(all_frames(FRAMES)))
    x = torch.randn(2 * FRAMES, 9, 32, dtype=torch.float64)
    order = torch.randperm(FRAMES)
    moved = x.unflatten(0, (2, FRAMES))[:, order].flatten(0, 1)
    with torch.no_grad():
        expected = attention(x).unflatten(0, (2, FRAMES))[:, order].flatten(0, 1)
        assert (attention(moved) - expected).abs().max() < 1e-12
    with pytest.raises(ValueError, match="self-attention"):
        attention(x, encoder_hidden_states=x)
