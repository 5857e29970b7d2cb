"""inswapper's path, with tiny random networks of the same signatures: no weights are needed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.inswapper import load_recognizer, load_swapper
from diffscaler.stage import ModelRef
from tests.faceswap.moving import DETECTOR, astronaut, frames_of, somebody_else, still

MODELS = (DETECTOR, ModelRef(name="inswapper", revision="1"), ModelRef(name="arcface", revision="1"))


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
            numpy_helper.from_array(value if name == "shape" else value.astype(np.float32), name)
            for name, value in weights
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def swapper_file(tmp_path):
    """Output = 1 - target + a colour read off the identity; emap is the last initialiser and no node uses it."""
    rng = np.random.default_rng(11)
    print("seed 11")
    nodes = [
        helper.make_node("Gemm", ["source", "to_rgb"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["colour"]),
        helper.make_node("Sub", ["one", "target"], ["negative"]),
        helper.make_node("Add", ["negative", "colour"], ["output"]),
    ]
    weights = [
        ("to_rgb", rng.normal(0, 0.2, (512, 3))),
        ("one", np.ones(1)),
        ("shape", np.array([1, 3, 1, 1])),
        ("emap", rng.normal(0, 1, (512, 512))),
    ]
    inputs = [("target", [1, 3, 128, 128]), ("source", [1, 512])]
    return save(tmp_path / "inswapper_128.onnx", nodes, inputs, [("output", [1, 3, 128, 128])], weights)


@pytest.fixture
def arcface_file(tmp_path):
    rng = np.random.default_rng(12)
    print("seed 12")
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["small"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["683"]),
    ]
    weights = [("weights", rng.normal(0, 1, (147, 512)))]
    return save(tmp_path / "w600k_r50.onnx", nodes, [("input.1", ["n", 3, 112, 112])], [("683", ["n", 512])], weights)


def test_the_swapper_is_read_as_insightface_reads_it(swapper_file):
    network = load_swapper(Spec(swapper_file), "cpu")
    basis = numpy_helper.to_array(onnx.load(str(swapper_file)).graph.initializer[-1])
    assert network.size == 128 and np.array_equal(network.emap, basis)
    identity = np.eye(1, 512, dtype=np.float32)[0]
    assert np.allclose(network.latent(identity), basis[:1] / np.linalg.norm(basis[0]), atol=1e-6)
    crop = np.full((128, 128, 3), (10, 100, 250), np.uint8)
    drawn = network.draw(crop, np.zeros((1, 512), np.float32))
    assert np.array_equal(drawn[0, 0], [245, 155, 5])  # 1 - target, colours in their order


def test_identities_are_one_long_and_differ(arcface_file, detector):
    recognizer = load_recognizer(Spec(arcface_file), "cpu")
    one, other = (
        recognizer.embed(picture, detector.detect(picture).landmarks[0]) for picture in (astronaut(), somebody_else())
    )
    assert one.shape == (512,) and np.isclose(np.linalg.norm(one), 1, atol=1e-5)
    assert one @ other < 0.999
    assert np.array_equal(
        load_recognizer(Spec(arcface_file.parent), "cpu").embed(astronaut(), detector.detect(astronaut()).landmarks[0]),
        one,
    )


def test_a_clip_is_swapped_with_it(around_stage, swapper_file, arcface_file, two_people):
    around_stage.models |= {
        "inswapper": load_swapper(Spec(swapper_file)),
        "arcface": load_recognizer(Spec(arcface_file)),
    }
    frames = still(two_people, 4)
    found = around_stage.detect(frames)
    full = frames_of(around_stage.swap(frames, found, models=MODELS, engine="inswapper", tracks="largest"))
    assert np.array_equal(
        full, frames_of(around_stage.swap(frames, found, 1, models=MODELS, engine="inswapper", tracks="largest"))
    )
    apart = np.abs(full.astype(int) - frames)
    assert apart[0, 40:100, 110:160].mean() > 20 and apart[:, :, 250:].max() == 0
    assert any("non-commercial research only" in note for note in around_stage.notes)


@pytest.mark.parametrize("load", [load_swapper, load_recognizer])
def test_a_missing_file_is_named(load, tmp_path):
    name = "inswapper_128.onnx" if load is load_swapper else "w600k_r50.onnx"
    with pytest.raises(ModelNotFound, match=name) as refused:
        load(Spec(tmp_path / name), "cpu")
    assert "models folder" in refused.value.hint
    with pytest.raises(ModelNotFound):
        load(Spec(None), "cpu")


def test_the_wrong_file_is_refused(arcface_file, swapper_file, tmp_path):
    with pytest.raises(ModelNotFound, match="not an inswapper"):
        load_swapper(Spec(arcface_file))
    with pytest.raises(ModelNotFound, match="not an ArcFace"):
        load_recognizer(Spec(swapper_file))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model at all")
    for load in (load_swapper, load_recognizer):
        with pytest.raises(ModelNotFound, match="cannot be read"):
            load(Spec(broken))
