"""3x3 convolutions by Winograd's algorithm as operators of an ONNX graph: a quarter of the multiplications.

onnxruntime has no Winograd for floats on a CPU. F(4x4, 3x3) of Lavin and Gray 2016, "Fast algorithms for convolutional
neural networks", section 4.3: a convolution of 6x6 makes B^T d B of every tile, 36 matrix products are the work that is
left, one more product and DepthToSpace are A^T m A. Results differ from the direct way by some 1e-5 of the largest.

One layer at 32x32, one thread of a Zen 3, CPU time, medians: 1.5 times as fast with 128 channels, 2.0 with 256, 2.6
with 512, 2.7 with 1024; no faster with 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FEWEST_CHANNELS, FEWEST_ON_A_SIDE, FEWEST_TILES = 64, 128, 16

_B = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
     [0, 4, 0, -5, 0, 1]]
)  # fmt: skip
_G = np.array(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
     [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip
_A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
_THERE, _BACK = "winograd/there", "winograd/back"


@dataclass(frozen=True)
class Operators:
    """What stands in the place of a convolution. nodes: in order; constants: initialisers that are theirs alone"""

    nodes: list[Any]
    constants: list[Any]


def suits(weight: Sequence[int], size: tuple[int, int], pads: tuple[int, int, int, int]) -> bool:
    """Whether a convolution is of 3x3 and quicker this way. weight: its dims; size: height and width of its input"""
    high, wide = _tiles(_out(size, pads))
    few, many = sorted(weight[:2])
    return list(weight[2:]) == [3, 3] and few >= FEWEST_CHANNELS and many >= FEWEST_ON_A_SIDE and (
        high * wide >= FEWEST_TILES
    )  # fmt: skip


def transformed(weight: Floats) -> Floats:
    """G w G^T of every pair of channels: (out, in, 3, 3) -> float32 (36, out, in)."""
    spread = np.einsum("ai,bj->abij", _G, _G).reshape(36, 9).astype(np.float32)
    return (spread @ weight.reshape(-1, 9).T).reshape(36, *weight.shape[:2])


def transforms() -> list[Any]:
    """The initialisers that all `operators` of a graph share."""
    from onnx import numpy_helper

    there = np.einsum("ai,bj->abij", _B, _B).reshape(36, 1, 6, 6)
    back = np.einsum("ia,jb->ijab", _A, _A).reshape(16, 36)
    return [numpy_helper.from_array(a.astype(np.float32), name) for a, name in ((there, _THERE), (back, _BACK))]


def named(name: str, shape: Sequence[int]) -> Any:
    """An initialiser that holds no more than its name: its values are given to the session."""
    from onnx import StringStringEntryProto, TensorProto

    where = StringStringEntryProto(key="location", value="given to the session")
    return TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL, external_data=[where]
    )


def operators(
    node: Any, weight: str, dims: Sequence[int], size: tuple[int, int], pads: tuple[int, int, int, int]
) -> Operators:
    """Nodes that do what the convolution `node` does.

    weight: name of its transformed weights; dims: of the weights as they were; size: height and width of its input;
    pads: above, left, below, right
    """
    from onnx import helper, numpy_helper

    made = Operators([], [])
    (out_channels, channels), out = dims[:2], _out(size, pads)
    high, wide = _tiles(out)
    end = [4 * high + 2 - size[0] - pads[0], 4 * wide + 2 - size[1] - pads[1]]

    def own(name: str) -> str:
        return f"winograd/{node.output[0]}/{name}"

    def numbers(name: str, values: Sequence[int]) -> str:
        made.constants.append(numpy_helper.from_array(np.array(values, np.int64), own(name)))
        return own(name)

    def add(kind: str, given: list[str], name: str, **how: Any) -> str:
        made.nodes.append(helper.make_node(kind, given, [own(name)], own(name), **how))
        return own(name)

    def shaped(at: str, name: str, shape: Sequence[int]) -> str:
        return add("Reshape", [at, numbers(f"{name} shape", shape)], name)

    at = shaped(node.input[0], "pictures", [channels, 1, *size])  # every channel one picture
    pads_all = [*pads[:2], *end]
    at = add("Conv", [at, _THERE], "there", kernel_shape=[6, 6], strides=[4, 4], pads=pads_all)
    at = add("Transpose", [shaped(at, "by channel", [channels, 36, high * wide])], "by place", perm=[1, 0, 2])
    at = shaped(add("MatMul", [weight, at], "products"), "flat", [36, out_channels * high * wide])
    at = shaped(add("MatMul", [_BACK, at], "pixels"), "tiles", [1, 16 * out_channels, high, wide])
    at = add("DepthToSpace", [at], "whole", blocksize=4, mode="DCR")
    if out != (4 * high, 4 * wide):
        at = add("Slice", [at, numbers("start", [0, 0]), numbers("stop", out), numbers("axes", [2, 3])], "cut")
    if len(node.input) > 2:
        add("Add", [at, shaped(node.input[2], "bias", [1, out_channels, 1, 1])], "biased")
    made.nodes[-1].output[0] = node.output[0]
    return made


def _out(size: tuple[int, int], pads: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width of the output."""
    return size[0] + pads[0] + pads[2] - 2, size[1] + pads[1] + pads[3] - 2


def _tiles(out: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of 4x4 pixels that cover it."""
    return -(-out[0] // 4), -(-out[1] // 4)
