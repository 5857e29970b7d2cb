"""Nothing else is taken for Hotshot-XL, and what it cannot hold is not written."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from diffscaler import compat

compat.install()  # before the first import of diffusers

from diffusers import MotionAdapter  # noqa: E402

from diffscaler.errors import InvalidRequest  # noqa: E402
from diffscaler.text2video.hotshot.unet import (  # noqa: E402
    check_num_frames,
    export_hotshot,
    load_adapted,
    load_hotshot,
    max_frames,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet, draw, refused  # noqa: E402


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
