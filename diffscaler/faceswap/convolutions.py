"""An ONNX graph whose convolutions are done in quicker ways than onnxruntime's own on a CPU.

Two kinds are: wide ones of 3x3 (`winograd.py`), and those to a picture's three channels, which onnxruntime does as if
to eight: as a transposed convolution they are one matrix product and a sum of shifted rows, 3 to 4 times as fast.
Results differ in rounding only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffscaler.faceswap import winograd

Floats = npt.NDArray[np.float32]

MOST_OUTPUTS, FEWEST_INPUTS = 4, 16  # of what is done as a transposed convolution
SHAPE_BYTES = 4096  # weights smaller than this may be shapes


@dataclass(frozen=True)
class Convolution:
    """A convolution with stride 1 over all channels. node: in the graph

    weight: its initialiser, (out, in, K, L); size: height and width of its input, None where they are not known
    pads: above, left, below, right
    """

    node: Any
    weight: Any
    size: tuple[int, int] | None
    pads: tuple[int, int, int, int]


def quicken(model: Any) -> dict[str, Floats]:
    """Replace convolutions in `model` (an onnx.ModelProto for one picture at a time), in place.

    Returns new weights by name: of these the model holds no more than the names, see `sessions.open_session`. They are
    four times as large as those they replace: 1.9 GB for the published inswapper.
    """
    from onnx import numpy_helper

    graph, new = model.graph, dict[str, Floats]()
    instead: dict[str, list[Any]] = {}
    replaced: dict[str, Any] = {}
    for layer in list(convolutions(graph)):
        out, inside = layer.weight.dims[:2]
        if out <= MOST_OUTPUTS and inside >= FEWEST_INPUTS:
            instead[layer.node.output[0]] = [_transposed(graph, layer)]
        elif layer.size and winograd.suits(layer.weight.dims, layer.size, layer.pads):
            name = f"winograd/{layer.weight.name}"
            if name not in new:
                new[name] = winograd.transformed(numpy_helper.to_array(layer.weight))
            made = winograd.operators(layer.node, name, layer.weight.dims, layer.size, layer.pads)
            instead[layer.node.output[0]] = made.nodes
            graph.initializer.extend(made.constants)
        else:
            continue
        replaced[layer.weight.name] = layer.weight
    nodes = [one for node in graph.node for one in instead.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)
    if new:
        graph.initializer.extend(winograd.transforms())
        graph.initializer.extend(winograd.named(name, values.shape) for name, values in new.items())
    left = {name for node in graph.node for name in node.input}
    gone = {name for name in replaced if name not in left}
    for name in gone:
        graph.initializer.remove(replaced[name])
    # Up to IR 3 graphs list their weights among the inputs as well: what is left there without one must be fed.
    for value in [value for value in graph.input if value.name in gone]:
        graph.input.remove(value)
    return new


def convolutions(graph: Any) -> Iterator[Convolution]:
    """Those convolutions of a graph that can be had in another way."""
    from onnx import TensorProto

    weights, sizes = {value.name: value for value in graph.initializer}, shapes(graph)
    for node in graph.node:
        given = {attribute.name: attribute for attribute in node.attribute}
        weight = weights.get(node.input[1]) if node.op_type == "Conv" else None
        if weight is None or weight.data_type != TensorProto.FLOAT or len(weight.dims) != 4:
            continue
        steps = [step for name in ("strides", "dilations") if name in given for step in given[name].ints]
        alone = "group" in given and given["group"].i != 1
        automatic = "auto_pad" in given and given["auto_pad"].s not in (b"", b"NOTSET")
        if any(step != 1 for step in steps) or alone or automatic:
            continue
        above, left, below, right = given["pads"].ints if "pads" in given else (0, 0, 0, 0)
        yield Convolution(node, weight, sizes.get(node.input[0]), (above, left, below, right))


def shapes(graph: Any) -> dict[str, tuple[int, int]]:
    """Height and width of the values of a graph for one picture (1, C, H, W), where they are known beforehand."""
    import onnx

    bare = onnx.GraphProto(name="shapes", node=graph.node, output=graph.output)
    large = {value.name: value for value in graph.initializer if np.prod(value.dims) * 4 > SHAPE_BYTES}
    bare.initializer.extend(value for value in graph.initializer if value.name not in large)
    bare.input.extend(value for value in graph.input if value.name not in large)
    # Large weights go in by their shapes: inferring would copy them twice.
    bare.input.extend(
        onnx.helper.make_tensor_value_info(name, value.data_type, value.dims) for name, value in large.items()
    )
    seen = onnx.shape_inference.infer_shapes(onnx.helper.make_model(bare)).graph.value_info
    sides = {value.name: value.type.tensor_type.shape.dim for value in [*seen, *graph.input]}
    return {
        name: (each[2].dim_value, each[3].dim_value)
        for name, each in sides.items()
        if len(each) == 4 and each[0].dim_value <= 1 and each[2].dim_value > 0 and each[3].dim_value > 0
    }


def _transposed(graph: Any, layer: Convolution) -> Any:
    """The transposed convolution, with its kernel turned round, that does the same."""
    from onnx import helper, numpy_helper

    high, wide = layer.weight.dims[2:]
    turned = numpy_helper.to_array(layer.weight)[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    weight = numpy_helper.from_array(np.ascontiguousarray(turned), f"turned/{layer.node.output[0]}")
    graph.initializer.append(weight)
    node = layer.node
    pads = [most - pad for most, pad in zip((high - 1, wide - 1) * 2, layer.pads, strict=True)]
    given = [node.input[0], weight.name, *node.input[2:]]
    return helper.make_node("ConvTranspose", given, node.output, node.name, kernel_shape=[high, wide], pads=pads)
