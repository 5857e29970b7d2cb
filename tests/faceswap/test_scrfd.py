"""SCRFD's decoder against insightface's own, on a tiny network with random weights: no model file is needed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.detections import gather
from diffscaler.faceswap.scrfd import load_detector
from tests.faceswap.moving import Surroundings, astronaut, still

STRIDES = (8, 16, 32)


class Spec:
    def __init__(self, path):
        self.path = path


def scrfd_file(path, size=("height", "width"), seed=17):
    """Like det_10g.onnx: input [1, 3, H, W], nine outputs; one convolution per stride and kind, random weights."""
    rng = np.random.default_rng(seed)
    print("seed", seed)
    nodes, weights, outputs = [], [], []
    for kind, values in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            name = f"{kind}_{stride}"
            kernel = rng.normal(0, 1 / stride, (2 * values, 3, stride, stride)).astype(np.float32)
            weights.append(numpy_helper.from_array(kernel, f"{name}_w"))
            weights.append(numpy_helper.from_array(np.array([-1, values]), f"{name}_s"))
            nodes += [
                helper.make_node("Conv", ["input.1", f"{name}_w"], [f"{name}_c"], strides=[stride, stride]),
                helper.make_node("Transpose", [f"{name}_c"], [f"{name}_t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}_t", f"{name}_s"], [f"{name}_r"]),
            ]
            last = {"score": "Sigmoid", "bbox": "Abs", "kps": "Identity"}[kind]
            nodes.append(helper.make_node(last, [f"{name}_r"], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"n{stride}", values]))
    inputs = [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, *size])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("shape", [(480, 640), (512, 512), (96, 64)])
def test_boxes_and_landmarks_are_insightfaces(tmp_path, shape):
    from insightface.model_zoo.scrfd import SCRFD

    path = scrfd_file(tmp_path / "det_10g.onnx")
    frame = np.random.default_rng(4).integers(0, 256, (*shape, 3), np.uint8)
    theirs = SCRFD(str(path))
    theirs.prepare(-1, input_size=(shape[1], shape[0]), nms_thresh=0.4, det_thresh=0.6)
    boxes, points = theirs.detect(np.ascontiguousarray(frame[..., ::-1]))
    ours = load_detector(Spec(path)).detect(frame, 0.6)
    assert len(ours) == len(boxes) > 3
    assert np.abs(ours.boxes - boxes[:, :4]).max() < 1e-3 and np.abs(ours.scores - boxes[:, 4]).max() < 1e-5
    assert np.abs(ours.landmarks - points).max() < 1e-3


def test_large_frames_are_shrunk_and_odd_ones_padded(tmp_path):
    detector = load_detector(Spec(scrfd_file(tmp_path / "det_10g.onnx")))
    assert detector.scale_of((1080, 1920, 3)) == pytest.approx(1 / 3) and detector.scale_of((243, 321, 3)) == 1
    frame = np.random.default_rng(5).integers(0, 256, (243, 321, 3), np.uint8)
    padded = np.zeros((256, 352, 3), np.uint8)
    padded[:243, :321] = frame
    one, other = detector.detect(frame, 0.6), detector.detect(padded, 0.6)
    assert np.array_equal(one.boxes, other.boxes) and len(one) > 0
    large = detector.detect(np.repeat(np.repeat(frame, 4, 0), 4, 1)[:, :1280], 0.5)
    assert large.boxes.shape == (len(large), 4) and large.landmarks.shape == (len(large), 5, 2)


def test_a_file_of_one_fixed_size_is_used_at_that_size(tmp_path):
    detector = load_detector(Spec(scrfd_file(tmp_path / "fixed.onnx", (128, 160))))
    assert detector.fixed == (160, 128)
    assert detector.scale_of((64, 64, 3)) == 2
    found = detector.detect(np.random.default_rng(6).integers(0, 256, (300, 200, 3), np.uint8), 0.6)
    assert np.isfinite(found.boxes).all()


def test_another_kind_of_model_is_refused_by_name(tmp_path):
    node = helper.make_node("Identity", ["input.1"], ["out"])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 32, 32]) for name in ("input.1", "out")]
    graph = helper.make_graph([node], "none", value[:1], value[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(tmp_path / "other.onnx"),
    )
    with pytest.raises(ModelNotFound, match=r"other\.onnx is not an SCRFD"):
        load_detector(Spec(tmp_path / "other.onnx"))


def test_the_stage_takes_it_like_any_detector(tmp_path):
    """Random weights see faces everywhere; what counts is that all of it has its shape."""
    detector = load_detector(Spec(scrfd_file(tmp_path / "det_10g.onnx")))
    frames = still(np.ascontiguousarray(astronaut()[:97, :129]), 3)
    faces = gather(Surroundings({"centerface": detector}).detect(frames))
    assert faces.box.shape == (len(faces.frame), 4) and faces.size == (129, 97)


@pytest.mark.parametrize("name, file", [("scrfd", "det_10g.onnx"), ("arcface", "w600k_r50.onnx")])
def test_the_catalogue_finds_the_file_alone_or_in_its_pack(tmp_path, name, file):
    from diffscaler.models.catalogue import Catalogue
    from diffscaler.settings import Settings

    catalogue = Catalogue(Settings(data_dir=tmp_path))
    assert name not in {spec.name for spec in catalogue.specs()}
    packed = catalogue.settings.models_dir / "buffalo_l" / file
    packed.parent.mkdir(parents=True)
    packed.touch()
    assert catalogue.spec(name).path == packed and "non-commercial" in catalogue.spec(name).licence
    alone = catalogue.settings.models_dir / file
    alone.touch()
    assert catalogue.spec(name).path == alone
