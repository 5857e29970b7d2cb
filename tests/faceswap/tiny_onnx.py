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


BLUE, GREEN = (20, 60, 235), (40, 235, 60)  # of things before a face, in the clips that the networks below look at


def parser(path, random=None):
    """BiSeNet's signature. It takes BLUE for clothes (16), GREEN for glasses (6), and all else for skin (1).

    random: a seed for weights at random instead
    """
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scores, bias = np.zeros((19, 3)), np.full(19, -9.0)
    scores[16], scores[6] = (-1, 0, 1), (-1, 1, 0)  # how much bluer, how much greener than red it is
    bias[1] = 0.35
    bias[[16, 6]] = (scores[[16, 6]] * mean).sum(1)
    scores = scores * deviation
    if random is not None:
        rng = np.random.default_rng(random)
        scores, bias = rng.normal(0, 1, (19, 3)), rng.normal(0, 0.3, 19)
    nodes = [helper.make_node("Conv", ["input", "scores", "bias"], ["output"])]
    weights = [("scores", scores[..., None, None]), ("bias", bias)]
    return save(path, nodes, [("input", [1, 3, 512, 512])], [("output", [1, 19, 512, 512])], weights)


def occluder(path, random=None):
    """XSeg's signature. It takes BLUE for something before the face. random: a seed for weights at random instead"""
    weights, bias = np.array([[-20.0], [0], [20]]), np.array([7.0])  # channels come as B, G, R
    if random is not None:
        rng = np.random.default_rng(random)
        weights, bias = rng.normal(0, 3, (3, 1)), rng.normal(0, 1, 1)
    nodes = [
        helper.make_node("MatMul", ["in_face:0", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["out_mask:0"]),
    ]
    shapes = [("in_face:0", ["n", 256, 256, 3])], [("out_mask:0", ["n", 256, 256, 1])]
    return save(path, nodes, *shapes, [("weights", weights), ("bias", bias)])


def landmarker(path, points=None, scales=False, seed=14):
    """2d106det's signature. points: (106, 2), -1..1, that it gives whatever it sees; else it guesses at random.

    scales: its first node is called as in the files that scale 0..255 themselves
    """
    rng = np.random.default_rng(seed)
    look = rng.normal(0, 0.005, (432, 212)) if points is None else np.zeros((432, 212))
    bias = np.zeros(212) if points is None else np.asarray(points).ravel()
    nodes = [
        helper.make_node("Mul", ["data", "amount"], ["scaled"], name="bn_data" if scales else "first"),
        helper.make_node("AveragePool", ["scaled"], ["small"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("Gemm", ["flat", "look", "bias"], ["fc1"]),
    ]
    weights = [("look", look), ("bias", bias), ("amount", np.full(1, 0.008 if scales else 1.0))]
    return save(path, nodes, [("data", ["n", 3, 192, 192])], [("fc1", ["n", 212])], weights)
