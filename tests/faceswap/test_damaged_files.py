"""Model files whose download broke off, and files of another network: each opener says so in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap import detect, scrfd
from diffscaler.faceswap.ghost import load_converter, load_ghost
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.faceswap.landmarks import load_landmarker
from diffscaler.faceswap.occluder import load_occluder
from diffscaler.faceswap.parsing import load_parser
from diffscaler.faceswap.restore import read_weights
from tests.faceswap import tiny_onnx
from tests.faceswap.test_scrfd import scrfd_file
from tests.faceswap.tiny_onnx import Spec


def centerface(path: Path) -> Path:
    path.write_bytes(detect._bundled_file().read_bytes())
    return path


#: By network: what opens a file, and what makes one.
NETWORKS: dict[str, tuple[Callable[[Any], Any], Callable[[Path], Path]]] = {
    "centerface": (detect.load_detector, centerface),
    "scrfd": (scrfd.load_detector, scrfd_file),
    "inswapper": (load_swapper, tiny_onnx.swapper),
    "arcface": (load_recognizer, tiny_onnx.arcface),
    "ghost": (load_ghost, lambda path: tiny_onnx.swapper(path, 256, emap=False)),
    "converter": (load_converter, tiny_onnx.converter),
    "parser": (load_parser, tiny_onnx.parser),
    "occluder": (load_occluder, tiny_onnx.occluder),
    "landmarks": (load_landmarker, tiny_onnx.landmarker),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_that_ends_early_is_refused_wherever_it_ends(name: str, tmp_path: Path) -> None:
    load, make = NETWORKS[name]
    file = make(tmp_path / f"{name}.onnx")
    load(Spec(file))
    whole, seed = file.read_bytes(), int(np.random.default_rng().integers(2**31))
    print("seed", seed)
    for length in [0, *np.random.default_rng(seed).integers(1, len(whole) - 1, 8).tolist(), len(whole) - 40]:
        file.write_bytes(whole[:length])
        with pytest.raises(ModelNotFound, match=rf"{name}\.onnx") as refused:
            load(Spec(file))
        assert refused.value.hint, length


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_of_another_network_is_refused(name: str, tmp_path: Path) -> None:
    load = NETWORKS[name][0]
    for other, (_, make) in NETWORKS.items():
        if other != name and {name, other} not in ({"inswapper", "ghost"}, {"occluder", "parser"}):
            with pytest.raises(ModelNotFound, match=rf"{other}\.onnx") as refused:
                load(Spec(make(tmp_path / f"{other}.onnx")))
            assert refused.value.hint, other


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_restorer_that_ends_early_is_refused(suffix: str, tmp_path: Path) -> None:
    file, state = tmp_path / f"sharp{suffix}", {"conv.weight": torch.arange(4000.0)}
    save_file(state, str(file)) if suffix == ".safetensors" else torch.save(state, file)
    assert read_weights(file)["conv.weight"].shape == (4000,)
    whole, seed = file.read_bytes(), int(np.random.default_rng().integers(2**31))
    print("seed", seed)
    for length in [0, *np.random.default_rng(seed).integers(1, len(whole) - 1, 8).tolist()]:
        file.write_bytes(whole[:length])
        with pytest.raises(ModelNotFound, match="sharp") as refused:
            read_weights(file)
        assert refused.value.hint, length


def test_an_empty_graph_is_no_detector(tmp_path: Path) -> None:
    onnx.save(onnx.ModelProto(), str(tmp_path / "empty.onnx"))
    with pytest.raises(ModelNotFound):
        detect.load_detector(Spec(tmp_path / "empty.onnx"))
