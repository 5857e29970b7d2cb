"""Networks that mask faces are given what they were taught, and files that are none are told apart."""

import contextlib
import io

import cv2
import numpy as np
import onnxruntime
import pytest

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.landmarks import BROWS, CHIN, OUTLINE, load_landmarker, outline_mask
from diffscaler.faceswap.masks import SIDE
from diffscaler.faceswap.occluder import load_occluder
from diffscaler.faceswap.parsing import LABELS, load_parser
from tests.faceswap import tiny_onnx
from tests.faceswap.masking import (
    LOADERS,
    MAKERS,
    apart,
    masked,
    swapped,
)
from tests.faceswap.moving import astronaut
from tests.faceswap.tiny_onnx import Spec


def test_networks_are_given_what_facefusion_gives_them(tmp_path):
    """Its preparation in its own order of channels: BGR crops, turned over for the parser and not for the occluder."""
    crop = np.ascontiguousarray(astronaut())
    bgr = crop[..., ::-1]
    file = tiny_onnx.parser(tmp_path / "parser.onnx", random=5)
    values = (bgr[:, :, ::-1].astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    feed = {"input": values.transpose(2, 0, 1)[None].astype(np.float32)}
    expected = onnxruntime.InferenceSession(str(file)).run(None, feed)[0][0].argmax(0)
    parser = load_parser(Spec(file))
    assert len(np.unique(expected)) > 3 and (parser.scores(crop).argmax(0) != expected).mean() < 1e-4
    for regions in (("skin", "glasses"), tuple(LABELS)):
        wanted = np.isin(expected, [label for region in regions for label in LABELS[region]])
        assert 0 < wanted.mean() < 1 and (parser.mask(crop, regions) != wanted).mean() < 1e-4
    file = tiny_onnx.occluder(tmp_path / "occluder.onnx", random=6)
    small = cv2.resize(bgr, (256, 256), interpolation=cv2.INTER_AREA)
    feed = {"in_face:0": small[None].astype(np.float32) / 255}
    expected = onnxruntime.InferenceSession(str(file)).run(None, feed)[0][0, ..., 0]
    assert np.allclose(load_occluder(Spec(file)).mask(small[..., ::-1]), expected, atol=1e-6) and expected.std() > 0.1


@pytest.mark.parametrize("scales", [False, True])
def test_landmarks_are_where_insightface_finds_them(tmp_path, scales):
    from insightface.app.common import Face
    from insightface.model_zoo.landmark import Landmark

    file = tiny_onnx.landmarker(tmp_path / "2d106det.onnx", scales=scales)
    box, frame = np.array([170, 60, 290, 220], np.float32), np.ascontiguousarray(astronaut())
    points = np.array([[200, 110], [255, 110], [228, 140], [205, 170], [250, 170]], np.float32)
    network = load_landmarker(Spec(file))
    with contextlib.redirect_stdout(io.StringIO()):
        expected = Landmark(str(file), network.session).get(np.ascontiguousarray(frame[..., ::-1]), Face(bbox=box))
    assert network.scales == scales and np.ptp(expected) > 5
    assert np.abs(network.points(frame, box, points) - expected).max() < 0.05
    turned, side = np.ascontiguousarray(np.rot90(frame)), frame.shape[1]  # a face that lies on its side
    there = np.array([box[1], side - box[2], box[3], side - box[0]])
    lying = np.stack([points[:, 1], side - points[:, 0]], 1)
    found = network.points(turned, there, lying)
    assert np.abs(np.stack([side - found[:, 1], found[:, 0]], 1) - expected).max() < 1.5


def oval(width):
    """106 landmarks of a plain face, -1..1: an outline, brows, and the rest in its middle."""
    angle = np.linspace(0, np.pi, 32)
    points = np.zeros((106, 2))
    points[OUTLINE] = [[0, 0.6], *np.stack([width * np.cos(angle), 0.6 * np.sin(angle)], 1)]
    points[BROWS] = np.stack([np.linspace(-0.7 * width, 0.7 * width, 18), np.full(18, -0.12)], 1)
    assert CHIN == 0
    return points


def test_the_outline_of_landmarks_bounds_the_drawn_face(around, clip, found, tmp_path):
    frames = clip[1]
    sizes = []
    for width in (0.25, 0.5):
        file = tiny_onnx.landmarker(tmp_path / f"{width}.onnx", oval(width))
        around.models["landmarks"] = load_landmarker(Spec(file))
        masks = (("landmarks", masked(around, frames, found, "landmarks")),)
        made = swapped(around, frames, found, "inswapper", (), masks)
        columns = np.flatnonzero((apart(made, frames)[0, :, :240] > 8).any(0))
        sizes.append(np.ptp(columns))
    assert 1.5 < sizes[1] / sizes[0] < 2.5, sizes
    mask = outline_mask(64 + 50 * oval(0.5), SIDE)
    assert mask[64, 64] == 1 and mask[52, 64] == 1 and mask[45, 64] == 0  # the forehead, then the hair
    assert mask[64, 64 + 30] == 0 and 0 < mask.mean() < 0.5
    assert any("106 landmarks" in note for note in around.notes)


@pytest.mark.parametrize("what", LOADERS)
def test_a_missing_a_damaged_and_another_file_are_told_apart(tmp_path, what):
    load, file = LOADERS[what], MAKERS[what](tmp_path / f"{what}.onnx")
    load(Spec(file))
    with pytest.raises(ModelNotFound, match="missing") as refused:
        load(Spec(tmp_path / "none.onnx"))
    assert "models folder" in refused.value.hint
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ModelNotFound, match="cannot be read") as refused:
        load(Spec(file))
    assert refused.value.hint
    other = (
        tiny_onnx.occluder(tmp_path / "other.onnx") if what != "occluder" else tiny_onnx.arcface(tmp_path / "o.onnx")
    )
    with pytest.raises(ModelNotFound, match=rf"{other.name} (is not|gives no)") as refused:
        load(Spec(other))
    assert ".onnx" in refused.value.hint
