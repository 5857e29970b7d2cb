"""What is read and written, and other bases under the same temporal layers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import UNet2DConditionModel  # noqa: E402

from diffscaler.errors import InvalidRequest  # noqa: E402
from diffscaler.text2video.hotshot.keys import is_temporal, to_hotshot  # noqa: E402
from diffscaler.text2video.hotshot.norms import (  # noqa: E402
    norm_mode,
    set_norm_mode,
)
from diffscaler.text2video.hotshot.unet import (  # noqa: E402
    export_hotshot,
    load_adapted,
    load_hotshot,
    swap_base,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import ADD_EMBEDDING, Unet, draw, equal_states, far, load_stock  # noqa: E402


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
    # Not bit for bit: on some processors products depend on where in memory the weights lie.
    assert far(draw(unet), draw(stock)) < 1e-12


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
