"""Hotshot-XL's network: the original's numbers, names and files, and nothing else taken for it."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import ControlNetModel, MotionAdapter, UNet2DConditionModel, UNetMotionModel  # noqa: E402
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D  # noqa: E402

from diffscaler.errors import DiffScalerError, InvalidRequest, ModelNotFound  # noqa: E402
from diffscaler.text2video.bypass import bypass_temporal  # noqa: E402
from diffscaler.text2video.hotshot.config import empty_unet  # noqa: E402
from diffscaler.text2video.hotshot.controlnet import canny, residuals, scales_at  # noqa: E402
from diffscaler.text2video.hotshot.keys import is_temporal, to_hotshot, to_library  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    FrameGroupNorm,
    JointGroupNorm,
    norm_mode,
    set_norm_mode,
)
from diffscaler.text2video.hotshot.unet import (  # noqa: E402
    check_num_frames,
    export_hotshot,
    load_adapted,
    load_hotshot,
    max_frames,
    swap_base,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402

Unet = Any
ADD_EMBEDDING = [f"add_embedding.linear_{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")]
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


@pytest.fixture(scope="module")
def original() -> dict[str, np.ndarray]:
    with np.load(tiny.DATA / "hotshot_tiny.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in ("y", "y_notemporal", "y_controlnet")}


@pytest.fixture(scope="module")
def hotshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_hotshot(tmp_path_factory.mktemp("hotshot"))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def loaded(hotshot: Path) -> Unet:
    return load_hotshot(hotshot / "unet")


@pytest.fixture
def unet(loaded: Unet) -> Unet:
    """A network of the test's own: tests may change it."""
    return copy.deepcopy(loaded)


@torch.inference_mode()
def draw(unet: Unet, **changes: Any) -> torch.Tensor:
    return unet(**{**tiny.inputs(), **changes}).sample


def far(a: torch.Tensor, b: torch.Tensor | np.ndarray) -> float:
    return float((a - torch.as_tensor(b)).abs().max())


def equal_states(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


# The original's numbers


def test_a_clip_is_the_originals_to_the_last_digits(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    assert loaded.dtype == torch.float64 and norm_mode(loaded) == "hotshot"
    assert far(draw(loaded), original["y"]) < 1e-12


def test_without_temporal_layers_it_is_the_originals_too(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    with bypass_temporal(loaded):
        assert far(draw(loaded), original["y_notemporal"]) < 1e-12


def test_with_a_controlnets_residuals_it_is_the_originals_too(loaded: Unet, original: dict[str, np.ndarray]) -> None:
    shapes = [(32, 8, 12)] * 3 + [(32, 4, 6)] + [(64, 4, 6)] * 2 + [(64, 2, 3)] * 3
    clips = [0.3 * tiny.random(10 + i, 2, c, 5, h, w) for i, (c, h, w) in enumerate(shapes)]
    folded = [clip.transpose(1, 2).flatten(0, 1) for clip in [*clips, 0.3 * tiny.random(30, 2, 64, 5, 2, 3)]]
    drawn = draw(loaded, down_block_additional_residuals=folded[:-1], mid_block_additional_residual=folded[-1])
    assert far(drawn, original["y_controlnet"]) < 1e-12


def test_the_librarys_own_norms_are_not_the_originals(unet: Unet, original: dict[str, np.ndarray]) -> None:
    set_norm_mode(unet, "per-frame")
    assert far(draw(unet), original["y"]) > 0.1


def test_the_positional_codes_compared_with_are_sinusoids_in_single_precision() -> None:
    for channels in (32, 64):
        assert far(tiny.original_positions(channels), tiny.sinusoids(tiny.POSITIONS, channels)) < 2e-7


# Norms


def test_norms_come_off_again_with_the_same_parameters(unet: Unet) -> None:
    stock = load_stock(unet)
    before = dict(unet.named_parameters())
    set_norm_mode(unet, "per-frame")
    assert not any(isinstance(module, JointGroupNorm | FrameGroupNorm) for module in unet.modules())
    assert not unet._forward_pre_hooks
    assert torch.equal(draw(unet), draw(stock))
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())
    set_norm_mode(unet, "hotshot")
    set_norm_mode(unet, "hotshot")
    assert len(unet._forward_pre_hooks) == 1
    assert all(parameter is before[name] for name, parameter in unet.named_parameters())


def load_stock(unet: Unet) -> Unet:
    """The library's network with the same weights, its norms never touched."""
    stock: Unet = UNetMotionModel.from_config(unet.config).double().eval()
    stock.load_state_dict(unet.state_dict())
    return stock


def test_norms_survive_a_change_of_precision(unet: Unet) -> None:
    inputs, doubled = tiny.inputs(), draw(unet)
    single = {
        "sample": inputs["sample"].float(),
        "encoder_hidden_states": inputs["encoder_hidden_states"].float(),
        "added_cond_kwargs": {name: value.float() for name, value in inputs["added_cond_kwargs"].items()},
    }
    drawn = draw(unet.to(torch.float32), **single)
    assert drawn.dtype == torch.float32 and norm_mode(unet) == "hotshot"
    assert 0 < far(drawn.double(), doubled) < 1e-4


def test_a_copy_counts_its_own_frames(loaded: Unet) -> None:
    mine, yours = copy.deepcopy(loaded), copy.deepcopy(loaded)
    clip = draw(mine)
    draw(yours, **tiny.inputs(num_frames=2))
    # The hook of a copy must not have told the first network's norms about two frames.
    assert {m.clip.num_frames for m in mine.modules() if isinstance(m, JointGroupNorm)} == {5}
    assert torch.equal(draw(mine), clip)


def test_clips_of_a_batch_do_not_mix(loaded: Unet) -> None:
    inputs = tiny.inputs()
    changed = inputs["sample"].clone()
    changed[1] += 1
    before, after = draw(loaded), draw(loaded, sample=changed)
    assert torch.equal(before[0], after[0])
    assert far(before[1], after[1]) > 1e-2


@pytest.mark.parametrize("mode", ["per-frame", "hotshot"])
def test_frames_know_of_each_other_through_joint_norms_alone(unet: Unet, mode: Any) -> None:
    set_norm_mode(unet, mode)
    changed = tiny.inputs()["sample"].clone()
    changed[:, :, 3] += 1
    others = [0, 1, 2, 4]
    with bypass_temporal(unet):
        before, after = draw(unet)[:, :, others], draw(unet, sample=changed)[:, :, others]
    if mode == "per-frame":
        assert torch.equal(before, after)
    else:
        assert far(before, after) > 1e-2


def test_order_matters_only_by_the_positional_code(unet: Unet) -> None:
    order = [3, 0, 4, 1, 2]
    shuffled = tiny.inputs()["sample"][:, :, order]
    assert far(draw(unet)[:, :, order], draw(unet, sample=shuffled)) > 1e-2
    for name, code in unet.named_buffers():
        assert name.endswith("pos_embed.pe")
        code.zero_()
    assert far(draw(unet)[:, :, order], draw(unet, sample=shuffled)) < 1e-5


def test_an_unknown_mode_is_an_error(unet: Unet) -> None:
    with pytest.raises(ValueError, match="sometimes"):
        set_norm_mode(unet, "sometimes")  # type: ignore[arg-type]


def test_gradients_reach_the_temporal_layers_alone_with_or_without_checkpointing(unet: Unet) -> None:
    unet.freeze_unet2d_params()
    unet(**tiny.inputs()).sample.square().mean().backward()
    plain = {name: p.grad.clone() for name, p in unet.named_parameters() if p.grad is not None}
    assert plain.keys() == {name for name, _ in unet.named_parameters() if is_temporal(name)}
    unet.zero_grad()
    unet.enable_gradient_checkpointing()
    unet(**tiny.inputs()).sample.square().mean().backward()
    assert max(far(p.grad, plain[name]) for name, p in unet.named_parameters() if p.grad is not None) < 1e-15


# Temporal layers aside


@pytest.mark.parametrize("mode", ["per-frame", "hotshot"])
def test_one_frame_without_temporal_layers_is_the_image_network(unet: Unet, sdxl: Path, mode: Any) -> None:
    image: Unet = UNet2DConditionModel.from_pretrained(sdxl / "unet", torch_dtype=torch.float64).eval()
    set_norm_mode(unet, mode)
    inputs = tiny.inputs(num_frames=1)
    with torch.inference_mode():
        still = image(**{**inputs, "sample": inputs["sample"][:, :, 0]}).sample
    with bypass_temporal(unet):
        # Not bit for bit: on some processors another memory layout sums in another order.
        assert far(draw(unet, **inputs)[:, :, 0], still) < 1e-13
    assert far(draw(unet, **inputs)[:, :, 0], still) > 1e-2


def test_a_bypass_ends_whatever_happens_in_it(unet: Unet) -> None:
    before = draw(unet)
    layers = [module for module in unet.modules() if isinstance(module, AnimateDiffTransformer3D)]
    layer, seen = layers[0], []
    forward = layer.forward

    def wrapped(*args: Any, **kwargs: Any) -> torch.Tensor:  # as offloading does
        seen.append(1)
        return forward(*args, **kwargs)

    layer.forward = wrapped  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), bypass_temporal(unet), bypass_temporal(unet):
        without = draw(unet)
        raise KeyboardInterrupt
    assert seen == [] and far(without, before) > 1e-2
    assert torch.equal(draw(unet), before) and seen == [1]
    assert not any("forward" in vars(module) for module in layers[1:])


# Names


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


# Files


def test_every_tensor_comes_from_the_file(hotshot: Path, loaded: Unet) -> None:
    stored = load_file(hotshot / "unet" / "diffusion_pytorch_model.safetensors")
    for name in ADD_EMBEDDING:  # what the library's from_unet2d leaves at random
        assert torch.equal(loaded.state_dict()[name], stored[name])
    assert equal_states(to_hotshot(loaded.state_dict()), stored)


def test_what_is_written_is_what_hotshot_xl_reads(hotshot: Path, loaded: Unet, tmp_path: Path) -> None:
    export_hotshot(loaded, tmp_path)
    for name in ("unet/diffusion_pytorch_model.safetensors", "hsxl_temporal_layers.safetensors"):
        assert equal_states(load_file(tmp_path / name), load_file(hotshot / name))
    config = json.loads((tmp_path / "unet" / "config.json").read_text())
    assert {name: config.get(name) for name in tiny.HOTSHOT_CONFIG if name != "_diffusers_version"} == {
        name: value for name, value in tiny.HOTSHOT_CONFIG.items() if name != "_diffusers_version"
    }
    assert not list(tmp_path.rglob("*.part"))
    again = load_hotshot(tmp_path / "unet")
    assert equal_states(again.state_dict(), loaded.state_dict()) and again.config == loaded.config


def test_a_network_is_written_over_its_own_file(hotshot: Path, loaded: Unet, tmp_path: Path) -> None:
    folder = shutil.copytree(hotshot, tmp_path / "model")
    export_hotshot(load_hotshot(folder / "unet"), folder)
    assert equal_states(load_hotshot(folder / "unet").state_dict(), loaded.state_dict())


def test_half_precision_has_hotshot_xls_file_name(loaded: Unet, hotshot: Path, tmp_path: Path) -> None:
    half = load_hotshot(hotshot / "unet", torch.float16)
    assert {tensor.dtype for tensor in half.state_dict().values()} == {torch.float16}
    export_hotshot(half, tmp_path)
    assert (tmp_path / "hsxl_temporal_layers.f16.safetensors").exists()
    assert equal_states(load_hotshot(tmp_path / "unet").state_dict(), half.state_dict())


def test_the_norm_mode_travels_with_the_file(unet: Unet, sdxl: Path, tmp_path: Path) -> None:
    set_norm_mode(unet, "per-frame")
    export_hotshot(unet, tmp_path)
    assert norm_mode(load_hotshot(tmp_path / "unet")) == "per-frame"
    assert norm_mode(load_adapted(sdxl / "unet", tmp_path / "hsxl_temporal_layers.safetensors")) == "per-frame"


@pytest.mark.parametrize("source", ["file", "unet folder"])
def test_temporal_layers_of_hotshot_xl_go_into_any_sdxl(sdxl: Path, hotshot: Path, loaded: Unet, source: str) -> None:
    temporal = hotshot / ("unet" if source == "unet folder" else "hsxl_temporal_layers.safetensors")
    unet = load_adapted(sdxl / "unet", temporal)
    assert equal_states(unet.state_dict(), loaded.state_dict())
    assert norm_mode(unet) == "hotshot"
    assert torch.equal(draw(unet), draw(loaded))


@pytest.mark.parametrize("source", ["folder", "file"])
def test_an_adapter_of_the_library_goes_in_with_the_librarys_norms(
    sdxl: Path, loaded: Unet, tmp_path: Path, source: str
) -> None:
    stock = load_stock(loaded)
    stock.save_motion_modules(str(tmp_path))  # in single precision
    single = {key: tensor.float().double() for key, tensor in stock.state_dict().items() if is_temporal(key)}
    stock.load_state_dict({**tiny.spatial_state(), **single})
    unet = load_adapted(
        sdxl / "unet", tmp_path if source == "folder" else tmp_path / "diffusion_pytorch_model.safetensors"
    )
    assert norm_mode(unet) == "per-frame"
    assert equal_states(unet.state_dict(), stock.state_dict())
    assert torch.equal(draw(unet), draw(stock))


def test_the_base_decides_the_precision(sdxl: Path, hotshot: Path, tmp_path: Path) -> None:
    state = {key: tensor.half() for key, tensor in tiny.temporal_state().items()}
    save_file(state, tmp_path / "hsxl_temporal_layers.f16.safetensors")
    unet = load_adapted(sdxl / "unet", tmp_path / "hsxl_temporal_layers.f16.safetensors")
    assert {tensor.dtype for tensor in unet.state_dict().values()} == {torch.float64}


@pytest.mark.parametrize("kind", ["shards", "fp16 name", "pickle"])
def test_the_ways_weights_lie_in_a_folder(sdxl: Path, hotshot: Path, loaded: Unet, tmp_path: Path, kind: str) -> None:
    folder = shutil.copytree(sdxl / "unet", tmp_path / "unet")
    weights = folder / "diffusion_pytorch_model.safetensors"
    if kind == "shards":
        image: Unet = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float64)
        weights.unlink()
        image.save_pretrained(folder, max_shard_size="2MB")
        assert len(list(folder.glob("*-of-*.safetensors"))) > 1
    elif kind == "fp16 name":
        weights.rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    else:
        torch.save(load_file(weights), folder / "diffusion_pytorch_model.bin")
        weights.unlink()
    unet = load_adapted(folder, hotshot / "hsxl_temporal_layers.safetensors")
    assert equal_states(unet.state_dict(), loaded.state_dict())


# Other bases


def test_another_base_leaves_the_temporal_tensors_alone(unet: Unet, loaded: Unet) -> None:
    other = tiny.tiny_unet2d(seed=3)
    swap_base(unet, other)
    state, before = unet.state_dict(), loaded.state_dict()
    assert all(torch.equal(state[key], before[key]) for key in state if is_temporal(key))
    assert all(torch.equal(state[key], tensor) for key, tensor in other.state_dict().items())
    assert norm_mode(unet) == "hotshot" and far(draw(unet), draw(loaded)) > 1e-2


@pytest.mark.parametrize(
    "changes", [{"cross_attention_dim": 32}, {"transformer_layers_per_block": 1}, {"attention_head_dim": [4, 4, 8]}]
)
def test_a_base_that_does_not_fit_changes_nothing(unet: Unet, loaded: Unet, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        swap_base(unet, tiny.tiny_unet2d(seed=3, **changes))
    assert "\n" not in str(caught.value) and caught.value.hint
    assert equal_states(unet.state_dict(), loaded.state_dict())


# Refusals


def test_more_frames_than_positions_are_refused(loaded: Unet) -> None:
    assert max_frames(loaded) == 24
    check_num_frames(loaded, 24)
    draw(loaded, **tiny.inputs(num_frames=24))
    with pytest.raises(InvalidRequest, match="at most 24 frames at once, not 25") as caught:
        check_num_frames(loaded, 25)
    assert "windows" in caught.value.hint


def damage_unet(folder: Path, damage: str) -> None:
    weights, config = folder / "diffusion_pytorch_model.safetensors", folder / "config.json"
    state = load_file(weights)
    described = json.loads(config.read_text())
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:4000])
    elif damage == "empty":
        weights.write_bytes(b"")
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no config":
        config.unlink()
    elif damage == "config of nonsense":
        config.write_text('{"addition_embed_type": "text_time", "block_out_channels": "wide"}')
    elif damage == "config is a list":
        config.write_text("[]")
    elif damage == "a part only":
        del state["add_embedding.linear_1.weight"]
    elif damage == "temporal part only":
        state = {key: tensor for key, tensor in state.items() if ".temporal_attentions." in key}
    elif damage == "one more":
        state["down_blocks.0.temporal_attentions.0.gate"] = torch.zeros(1)
    elif damage == "one more of the image network":
        state["conv_in.gate"] = torch.zeros(1)
    elif damage == "another shape":
        state["conv_in.weight"] = torch.zeros(32, 9, 3, 3)
    elif damage == "image network":
        state = {key: tensor for key, tensor in state.items() if ".temporal_attentions." not in key}
    elif damage == "ModelScope":  # its network has the same class name
        described["addition_embed_type"] = None
    elif damage == "unknown time":
        described["time_embedding_type"] = "fourier"
    elif damage == "other groups":
        described["norm_num_groups"] = 16
    if damage in ("ModelScope", "unknown time", "other groups"):
        config.write_text(json.dumps(described))
    if damage not in ("cut", "empty", "no weights"):
        save_file(state, weights)


DAMAGES = {
    "cut": "missing or damaged",
    "empty": "missing or damaged",
    "no weights": "no weights",
    "no config": "not the folder",
    "config of nonsense": "cannot build",
    "config is a list": "no weights",
    "a part only": "1 of .* are missing, 'add_embedding.linear_1.weight'",
    "temporal part only": "are missing",
    "one more": "temporal_attentions.0.gate",
    "one more of the image network": "have no place, 'conv_in.gate'",
    "another shape": "is \\(32, 9, 3, 3\\), not",
    "image network": "without temporal layers",
    "ModelScope": "not SDXL's",
    "unknown time": "time_embedding_type",
    "other groups": "groups",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_hotshot_xl_is_refused_in_one_sentence(hotshot: Path, tmp_path: Path, damage: str) -> None:
    folder = shutil.copytree(hotshot / "unet", tmp_path / "unet")
    damage_unet(folder, damage)
    refused(lambda: load_hotshot(folder), DAMAGES[damage])


def refused(load: Callable[[], object], reason: str, kind: type[DiffScalerError] = ModelNotFound) -> None:
    with pytest.raises(kind, match=reason) as caught:
        load()
    assert "\n" not in str(caught.value) and caught.value.message.endswith(".") and caught.value.hint.endswith(".")


def test_temporal_layers_of_another_family_are_refused(sdxl: Path, hotshot: Path, loaded: Unet, tmp_path: Path) -> None:
    base, layers = sdxl / "unet", tmp_path / "layers.safetensors"
    four = MotionAdapter(block_out_channels=(32, 64, 64, 64), motion_max_seq_length=32)
    four.save_pretrained(tmp_path / "four")
    refused(lambda: load_adapted(base, tmp_path / "four"), "number of blocks")
    wide = MotionAdapter(block_out_channels=(64, 64, 64), use_motion_mid_block=False)
    save_file(wide.state_dict(), layers)
    refused(lambda: load_adapted(base, layers), "is \\(64,\\), not \\(32,\\)")
    save_file(tiny.spatial_state(), layers)
    refused(lambda: load_adapted(base, layers), "is not one of theirs")
    save_file({"lora_up.weight": torch.zeros(2)}, layers)
    refused(lambda: load_adapted(base, layers), "lora_up")
    save_file({}, layers)
    refused(lambda: load_adapted(base, layers), "no temporal layers")
    save_file(tiny.temporal_state(), layers, metadata={"norm_mode": "sometimes"})
    refused(lambda: load_adapted(base, layers), "sometimes")
    refused(lambda: load_adapted(base, tmp_path / "absent.safetensors"), "missing or damaged")
    refused(lambda: load_adapted(hotshot / "unet", hotshot / "hsxl_temporal_layers.safetensors"), "already")


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("content", ["code", "cut", "numbers"])
def test_a_pickle_runs_no_code(hotshot: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(tiny.HOTSHOT_CONFIG))
    weights, marker = folder / "diffusion_pytorch_model.bin", tmp_path / "ran"
    torch.save({"conv_in.weight": Runs(marker) if content == "code" else 3}, weights)
    if content == "cut":
        weights.write_bytes(weights.read_bytes()[:50])
    reasons = {"code": "it holds code", "cut": "missing or damaged|refused", "numbers": "something else than tensors"}
    refused(lambda: load_hotshot(folder), reasons[content])
    assert not marker.exists()


def test_what_hotshot_xl_cannot_hold_is_not_written(sdxl: Path, loaded: Unet, tmp_path: Path) -> None:
    adapter = MotionAdapter(block_out_channels=tiny.CHANNELS, motion_num_attention_heads=4, use_motion_mid_block=False)
    adapter.save_pretrained(tmp_path / "four heads")
    four_heads = load_adapted(sdxl / "unet", tmp_path / "four heads")
    refused(lambda: export_hotshot(four_heads, tmp_path / "out"), "motion_num_attention_heads", InvalidRequest)
    MotionAdapter(block_out_channels=tiny.CHANNELS).save_pretrained(tmp_path / "mid")
    middle = load_adapted(sdxl / "unet", tmp_path / "mid")
    refused(lambda: export_hotshot(middle, tmp_path / "out"), "laid out otherwise", InvalidRequest)
    with_more = copy.deepcopy(loaded)
    with_more.conv_in.lora = torch.nn.Linear(2, 2)
    refused(lambda: export_hotshot(with_more, tmp_path / "out"), "conv_in.lora", InvalidRequest)
    assert not (tmp_path / "out").exists()


# The size of the real one


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


# ControlNets


def tiny_controlnet(seed: int) -> Unet:
    net: Unet = ControlNetModel.from_unet(tiny.tiny_unet2d(seed), conditioning_embedding_out_channels=(4, 4, 4, 4))
    torch.manual_seed(seed)
    for name, parameter in net.named_parameters():  # they begin at zero, and would say nothing
        if name.startswith("controlnet_"):
            torch.nn.init.normal_(parameter, std=0.1)
    return net.double().eval()


@torch.inference_mode()
def lead(nets: list[Unet], scales: list[float], images: list[torch.Tensor] | None = None, **changes: Any) -> Any:
    inputs = {**tiny.inputs(), **changes}
    return residuals(
        nets,
        inputs["sample"],
        inputs["timestep"],
        inputs["encoder_hidden_states"][::5],
        inputs["added_cond_kwargs"],
        images or [tiny.random(50 + i, 5, 3, 64, 96).sigmoid() for i in range(len(nets))],
        scales,
    )


@pytest.fixture(scope="module")
def nets() -> list[Unet]:
    return [tiny_controlnet(11), tiny_controlnet(12)]


def test_each_frame_is_led_by_its_own_picture(nets: list[Unet]) -> None:
    image, inputs = tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.inputs()
    skips, middle = lead(nets[:1], [0.7])
    assert [tuple(skip.shape[:2]) for skip in skips] == [(10, 32)] * 4 + [(10, 64)] * 5
    for clip, frame in ((0, 3), (1, 1)):
        with torch.inference_mode():
            down, mid = nets[0](
                inputs["sample"][clip : clip + 1, :, frame],
                inputs["timestep"][clip],
                inputs["encoder_hidden_states"][clip * 5 : clip * 5 + 1],
                image[frame : frame + 1],
                0.7,
                added_cond_kwargs={k: v[clip : clip + 1] for k, v in inputs["added_cond_kwargs"].items()},
                return_dict=False,
            )
        row = clip * 5 + frame
        assert far(middle[row], mid[0]) < 1e-12
        assert max(far(a[row], b[0]) for a, b in zip(skips, down, strict=True)) < 1e-12


def test_clips_may_have_pictures_of_their_own(nets: list[Unet]) -> None:
    mine, yours = tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.random(60, 5, 3, 64, 96).sigmoid()
    both = lead(nets[:1], [1.0], [torch.stack([mine, yours])])[1]
    assert torch.equal(both[:5], lead(nets[:1], [1.0], [mine])[1][:5])
    assert torch.equal(both[5:], lead(nets[:1], [1.0], [yours])[1][5:])


def test_two_controlnets_add_up(nets: list[Unet]) -> None:
    images = [tiny.random(50, 5, 3, 64, 96).sigmoid(), tiny.random(51, 5, 3, 64, 96).sigmoid()]
    first, second = lead(nets[:1], [0.7], images[:1]), lead(nets[1:], [0.4], images[1:])
    skips, middle = lead(nets, [0.7, 0.4], images)
    assert torch.equal(middle, first[1] + second[1]) and far(middle, first[1]) > 1e-3
    assert all(torch.equal(c, a + b) for a, b, c in zip(first[0], second[0], skips, strict=True))
    assert torch.equal(lead(nets, [0.7, 0.0], images)[1], first[1])


def test_a_scale_of_zero_is_no_controlnet(nets: list[Unet], loaded: Unet) -> None:
    assert lead(nets, [0.0, 0.0]) == (None, None)
    plain = draw(loaded)
    for scale in (0.0, 0.7):
        skips, middle = lead(nets[:1], [scale])
        drawn = draw(loaded, down_block_additional_residuals=skips, mid_block_additional_residual=middle)
        assert torch.equal(drawn, plain) if scale == 0 else far(drawn, plain) > 1e-2


def test_a_controlnet_leads_its_part_of_the_steps() -> None:
    at = [scales_at(step, 4, [0.7, 0.5], [0.25, 0.0], [0.75, 1.0]) for step in range(4)]
    assert at == [[0.0, 0.5], [0.7, 0.5], [0.7, 0.5], [0.0, 0.5]]
    # A step that only begins inside, or only ends inside, does not count.
    assert [scales_at(step, 4, [1.0], [0.1], [0.6])[0] for step in range(4)] == [0.0, 1.0, 0.0, 0.0]


def test_a_controlnet_of_another_family_or_length_is_refused(nets: list[Unet]) -> None:
    other = ControlNetModel.from_unet(tiny.tiny_unet2d(1, cross_attention_dim=32)).double()
    refused(lambda: lead([other], [1.0]), "not made for SDXL", InvalidRequest)
    with pytest.raises(ValueError, match="4 control images for 5 frames"):
        lead(nets[:1], [1.0], [torch.zeros(4, 3, 64, 96, dtype=torch.float64)])


def test_canny_draws_edges_in_white_frame_by_frame() -> None:
    frames = np.zeros((2, 24, 32, 3), np.uint8)
    frames[0, :, 16:] = 255
    frames[1, :, 16:, 0] = 30  # too faint for the thresholds
    edges = canny(frames)
    assert edges.dtype == np.uint8 and edges.shape == frames.shape
    assert set(np.flatnonzero(edges[0].any(axis=(0, 2)))) <= {15, 16} and (edges[0, 12] == 255).any()
    assert np.array_equal(edges[..., 0], edges[..., 1]) and np.array_equal(edges[..., 0], edges[..., 2])
    assert not edges[1].any() and canny(frames, low=5, high=10)[1].any()
