"""Very small ONNX files with the signatures of the published face networks."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Spec:
    def __init__(self, path):
        self.path, self.name = path, path.stem if path else "none"


def save(path, nodes, inputs, outputs, weights):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [
            numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), name)
            for name, value in weights
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def swapper(path, size=128, fixed=False, seed=11, emap=True, smooth=True):
    """Output = 1 - (3x3 average of target) + a colour read off the identity; emap is last and no node uses it.

    smooth: False leaves the pixels apart; fixed: a Reshape in it holds the batch of 1, as some exporters write it
    """
    rng = np.random.default_rng(seed)
    average = np.zeros((3, 3, 3, 3))
    if smooth:
        average[range(3), range(3)] = 1 / 9
    else:
        average[range(3), range(3), 1, 1] = 1
    nodes = [
        helper.make_node("Conv", ["target", "average"], ["smooth"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Gemm", ["source", "to_rgb"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["colour"]),
        helper.make_node("Sub", ["one", "smooth"], ["negative"]),
        helper.make_node("Add", ["negative", "colour"], ["output"]),
    ]
    weights = [
        ("average", average),
        ("to_rgb", rng.normal(0, 0.2, (512, 3))),
        ("one", np.ones(1)),
        ("shape", np.array([1 if fixed else -1, 3, 1, 1])),
    ]
    weights += [("emap", rng.normal(0, 1, (512, 512)))] if emap else []
    inputs = [("target", [1, 3, size, size]), ("source", [1, 512])]
    return save(path, nodes, inputs, [("output", [1, 3, size, size])], weights)


def converter(path, seed=13):
    """512 -> 512, one layer."""
    rng = np.random.default_rng(seed)
    nodes = [helper.make_node("Gemm", ["input", "weights"], ["output"])]
    weights = [("weights", rng.normal(0, 0.05, (512, 512)))]
    return save(path, nodes, [("input", [1, 512])], [("output", [1, 512])], weights)


def arcface(path, seed=12):
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["small"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["683"]),
    ]
    weights = [("weights", rng.normal(0, 1, (147, 512)))]
    return save(path, nodes, [("input.1", ["n", 3, 112, 112])], [("683", ["n", 512])], weights)
