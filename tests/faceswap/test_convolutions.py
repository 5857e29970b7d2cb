"""Quicker convolutions draw what onnxruntime's own draw, whatever the graph around them looks like."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.face_files import swapper_file
from diffscaler.faceswap.convolutions import quicken
from diffscaler.faceswap.inswapper import load_swapper
from diffscaler.faceswap.sessions import open_session
from diffscaler.models.fit import Room, fit_model
from diffscaler.models.spec import ModelSpec

WIDE, WIDER = 64, 128  # channels from which a convolution is worth Winograd's way


def model_of(
    size: tuple[int, int], channels: tuple[int, int], kernel: tuple[int, int] = (3, 3), bias: bool = True, **how: Any
) -> Any:
    """One convolution of random weights (standard normal pictures stay so), and another that shares its weights."""
    seed = 31
    print("seed", seed)
    rng, (inside, out) = np.random.default_rng(seed), channels
    shape = (out, inside // how.get("group", 1), *kernel)
    weights = {
        "w": rng.standard_normal(shape, np.float32) / np.sqrt(np.prod(shape[1:])),
        "b": rng.random(out, np.float32),
    }
    given = ["x", "w", "b"] if bias else ["x", "w"]
    nodes = [
        helper.make_node("Conv", given, ["y"], **how),
        helper.make_node("Neg", ["x"], ["turned"]),
        helper.make_node("Conv", ["turned", *given[1:]], ["z"], **how),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, inside, *size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, out, "h", "w"]) for name in ("y", "z")],
        [numpy_helper.from_array(np.asarray(weights[name], np.float32), name) for name in given[1:]],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outcome(model: Any, size: tuple[int, int], weights: Any = None) -> list[np.ndarray]:
    picture = np.random.default_rng(4).standard_normal((1, model_channels(model), *size), np.float32)
    return open_session(model.SerializeToString(), threads=1, weights=weights).run(None, {"x": picture})


def model_channels(model: Any) -> int:
    return model.graph.input[0].type.tensor_type.shape.dim[1].dim_value


@pytest.mark.parametrize(
    "size, channels, how",
    [
        ((16, 16), (WIDE, WIDER), {"pads": [1, 1, 1, 1]}),
        ((18, 18), (WIDER, WIDE), {}),
        ((17, 23), (WIDER, WIDER), {"pads": [1, 1, 1, 1], "bias": False}),
        ((15, 19), (WIDE, WIDER), {"pads": [2, 0, 1, 3]}),
        ((33, 14), (WIDER, WIDE), {"pads": [0, 1, 0, 1], "bias": False}),
        ((20, 13), (32, 3), {"kernel": (7, 7)}),
        ((20, 13), (16, 3), {"kernel": (3, 3), "pads": [1, 1, 1, 1], "bias": False}),
        ((9, 21), (24, 1), {"kernel": (5, 3), "pads": [2, 0, 1, 2]}),
    ],
)
def test_a_quicker_convolution_gives_the_same_pictures(size: Any, channels: Any, how: Any) -> None:
    model = model_of(size, channels, **how)
    wanted = outcome(model, size)
    weights = quicken(model)
    assert (len(weights) == 1) == (channels[1] > 3)  # two convolutions share them
    kinds = {node.op_type for node in model.graph.node}
    assert "DepthToSpace" in kinds if weights else kinds == {"ConvTranspose", "Neg"}
    for made, want in zip(outcome(model, size, weights), wanted, strict=True):
        assert made.shape == want.shape and np.abs(made - want).max() < 1e-4 * np.abs(want).max()


@pytest.mark.parametrize(
    "size, channels, how",
    [
        ((32, 32), (WIDE, WIDE), {}),
        ((8, 8), (WIDER, WIDER), {"pads": [1, 1, 1, 1]}),
        ((32, 32), (WIDER, WIDER), {"strides": [2, 2]}),
        ((32, 32), (WIDER, WIDER), {"dilations": [2, 2]}),
        ((32, 32), (WIDER, WIDER), {"group": 2}),
        ((32, 32), (WIDER, WIDER), {"kernel": (5, 5)}),
        ((32, 32), (WIDER, WIDER), {"auto_pad": "SAME_UPPER"}),
        ((32, 32), (8, 3), {}),
    ],
)
def test_others_stay_as_they_are(size: Any, channels: Any, how: Any) -> None:
    model = model_of(size, channels, **how)
    before = model.SerializeToString()
    assert quicken(model) == {} and model.SerializeToString() == before


def test_a_graph_for_any_size_keeps_its_own_convolutions() -> None:
    model = model_of((32, 32), (WIDER, WIDER))
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    assert quicken(model) == {}


def test_weights_that_something_else_needs_stay() -> None:
    model = model_of((16, 16), (WIDER, WIDER))
    model.graph.node.append(helper.make_node("ReduceSum", ["w"], ["sum"], keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, []))
    wanted = outcome(model, (16, 16))
    weights = quicken(model)
    assert len(weights) == 1 and outcome(model, (16, 16), weights)[2] == pytest.approx(wanted[2], rel=1e-4)


@pytest.mark.parametrize("channels, kernel", [((WIDER, WIDER), (3, 3)), ((32, 3), (7, 7))])
@pytest.mark.parametrize("ir_version", [3, 8])
def test_a_graph_that_lists_its_weights_among_the_inputs_asks_for_pictures_alone(
    channels: Any, kernel: Any, ir_version: int
) -> None:
    model = model_of((20, 20), channels, kernel=kernel)
    model.ir_version = ir_version
    for weight in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    wanted = outcome(model, (20, 20))
    weights = quicken(model)
    assert [value.name for value in model.graph.input] == ["x", "b"], "the bias is still there, and its own default"
    for made, want in zip(outcome(model, (20, 20), weights), wanted, strict=True):
        assert np.abs(made - want).max() < 1e-4 * np.abs(want).max()


def test_a_swapper_draws_the_same_face_whichever_way_its_memory_allows(tmp_path: Path) -> None:
    file = SimpleNamespace(path=swapper_file(tmp_path / "inswapper_128.onnx", WIDER, 1))
    plain = SimpleNamespace(torch_name="cpu", rungs=("plain convolutions",))
    quick, slow = load_swapper(file), load_swapper(file, plain)
    rng = np.random.default_rng(5)
    crops = rng.integers(0, 256, (2, 128, 128, 3), np.uint8)
    identity = quick.latent([rng.standard_normal(512).astype(np.float32)])
    one, other = (network.draw(crops, np.repeat(identity, 2, 0)).astype(int) for network in (quick, slow))
    assert np.abs(one - other).max() <= 1 and (one != other).mean() < 0.001 and np.ptp(one) > 50


def test_the_slower_way_is_taken_where_memory_is_short(tmp_path: Path) -> None:
    path = tmp_path / "inswapper_128.onnx"
    path.write_bytes(b"0" * 1000)
    spec = ModelSpec(name="inswapper", title="", kind="face_swapper", loader="m:f", path=path, working_bytes=5000)
    fits = {budget: fit_model(spec, Room("cpu", "float32", budget), budget) for budget in (12000, 11999)}
    assert (fits[12000].rungs, fits[12000].needed_bytes) == ((), 12000)
    assert (fits[11999].rungs, fits[11999].needed_bytes) == (("plain convolutions",), 5000)
    assert fit_model(spec, Room("cuda", "float16", 11999), 11999).rungs == ()
