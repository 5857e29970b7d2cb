"""Hotshot-XL's names there and back, and those of the real network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import MotionAdapter, UNet2DConditionModel  # noqa: E402

from diffscaler.text2video.hotshot.config import empty_unet  # noqa: E402
from diffscaler.text2video.hotshot.keys import to_hotshot, to_library  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    FrameGroupNorm,
    JointGroupNorm,
    set_norm_mode,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, equal_states  # noqa: E402


def of_a_layer(name: str) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(1)}


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["down", "up"]), st.integers(0, 12), st.integers(0, 12)),
        st.sets(st.sampled_from([names[:2] for names in tiny.TEMPORAL]), max_size=6),
        max_size=4,
    ),
    st.sets(st.sampled_from(["conv_in.weight", "mid_block.resnets.0.norm1.bias", "add_embedding.linear_1.bias"])),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_names_go_there_and_back(layers: Any, spatial: set[str], coded: bool) -> None:
    count = itertools.count()
    theirs = {name: torch.tensor([next(count)]) for name in sorted(spatial)}
    expected = dict(theirs)
    for (side, block, index), names in layers.items():
        for hotshot_name, library_name in sorted(names):
            tensor = torch.tensor([next(count)])
            theirs[f"{side}_blocks.{block}.temporal_attentions.{index}.{hotshot_name}"] = tensor
            expected[f"{side}_blocks.{block}.motion_modules.{index}.{library_name}"] = tensor
        if coded:
            tensor = torch.tensor([next(count)])
            for name in tiny.POSITION_CODES:
                theirs[f"{side}_blocks.{block}.temporal_attentions.{index}.{name}"] = tensor.clone()
            expected[f"{side}_blocks.{block}.motion_modules.{index}.transformer_blocks.0.pos_embed.pe"] = tensor
    assert equal_states(to_library(theirs), expected)
    assert equal_states(to_hotshot(to_library(theirs)), theirs)
    assert equal_states(to_library(to_hotshot(expected)), expected)


@st.composite
def nearly_names(draw_from: Callable[[Any], Any]) -> str:
    """A right name with one place cut out, doubled or replaced; mostly a wrong one."""
    place = draw_from(
        st.sampled_from(["down_blocks.0.temporal_attentions.1", "up_blocks.2.motion_modules.0", "mid_block"])
    )
    hotshot_name, library_name, _ = draw_from(st.sampled_from(tiny.TEMPORAL))
    parts = f"{place}.{draw_from(st.sampled_from([hotshot_name, library_name]))}".split(".")
    index = draw_from(st.integers(0, len(parts) - 1))
    parts[index : index + 1] = draw_from(st.lists(st.sampled_from([*parts, "", "7", "x", "lora_A"]), max_size=2))
    return ".".join(parts)


@given(st.one_of(st.text(), nearly_names()))
@settings(max_examples=300, deadline=None)
def test_a_name_is_either_led_back_to_itself_or_named_in_an_error(name: str) -> None:
    for there, back in ((to_library, to_hotshot), (to_hotshot, to_library)):
        try:
            renamed = there(of_a_layer(name))
        except ValueError as error:
            assert repr(name[:200]) in str(error)
        else:
            assert back(renamed).keys() == {name}


@pytest.mark.parametrize("damage", ["gone", "changed", "cut"])
def test_a_positional_code_and_its_copy_must_agree(damage: str) -> None:
    state = tiny.temporal_state()
    key = f"up_blocks.1.temporal_attentions.2.{tiny.POSITION_CODES[1]}"
    if damage == "gone":
        del state[key]
    elif damage == "cut":
        state[key] = state[key][:, :8]
    else:
        state[key] = state[key] + 1e-9
    with pytest.raises(ValueError, match=r"up_blocks\.1\.temporal_attentions\.2"):
        to_library(state)


SDXL: dict[str, Any] = {
    **tiny.IMAGE_CONFIG,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def test_the_layout_of_the_real_network() -> None:
    adapter = {
        "block_out_channels": SDXL["block_out_channels"],
        "motion_layers_per_block": 2,
        "motion_max_seq_length": 24,
        "use_motion_mid_block": False,
    }
    unet = empty_unet(SDXL, adapter)
    with torch.device("meta"):
        image: Unet = UNet2DConditionModel.from_config(SDXL)
        layers: Unet = MotionAdapter.from_config(adapter)
    spatial, temporal, whole = image.state_dict(), layers.state_dict(), unet.state_dict()
    assert not spatial.keys() & temporal.keys() and whole.keys() == spatial.keys() | temporal.keys()
    assert all(whole[key].shape == tensor.shape for key, tensor in {**spatial, **temporal}.items())
    renamed = to_hotshot(whole)
    assert len(temporal) == 405 and sum(".temporal_attentions." in key for key in renamed) == 420
    assert to_library(renamed).keys() == whole.keys()
    unet.freeze_unet2d_params()
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    assert len(trained) == 390 and sum(parameter.numel() for parameter in trained) == 236_779_200
    set_norm_mode(unet, "hotshot")
    kinds = [type(module) for module in unet.modules()]
    assert kinds.count(JointGroupNorm) == 35 and kinds.count(FrameGroupNorm) == 15
    assert all(parameter.is_meta for parameter in unet.parameters())
