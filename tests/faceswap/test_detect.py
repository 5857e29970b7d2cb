import cv2
import numpy as np
import pytest

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.detect import load_detector
from diffscaler.faceswap.photo import faces_in_picture
from tests.faceswap.moving import around, astronaut

EYES_AT = np.array([[204.5, 101.5], [247, 104.5]])  # read off the photo by eye, to two pixels
CENTRE = (225, 115)


def eye_distance(landmarks):
    return np.linalg.norm(landmarks[1] - landmarks[0])


def test_the_eyes_of_a_known_photo_are_found(detector):
    found = detector.detect(astronaut())
    assert len(found) == 1 and found.scores[0] > 0.6
    assert np.abs(found.landmarks[0, :2] - EYES_AT).max() < 3


@pytest.mark.parametrize("size", [(333, 241), (640, 480), (1281, 721)])
def test_any_size_gives_the_same_face(detector, size):
    scale = 1.1 * size[1] / 512
    matrix = around(CENTRE, (size[0] / 2, size[1] / 2), scale, 8)
    frame = cv2.warpAffine(astronaut(), matrix, size, borderMode=cv2.BORDER_REPLICATE)
    found = detector.detect(frame)
    truth = detector.detect(astronaut()).landmarks[0] @ matrix[:, :2].T + matrix[:, 2]
    assert len(found) == 1
    assert np.abs(found.landmarks[0] - truth).max() < 0.1 * eye_distance(truth)


def test_a_face_cut_by_the_border_keeps_its_landmarks(detector):
    whole = detector.detect(astronaut()).landmarks[0]
    cut = np.ascontiguousarray(astronaut()[:, 195:])  # through the temple: the left eye is 10 px inside
    found = detector.detect(cut)
    assert len(found) == 1
    assert found.boxes[0, 0] < 2
    assert np.abs(found.landmarks[0] + (195, 0) - whole).max() < 0.15 * eye_distance(whole)


def test_a_small_face_in_a_large_frame_is_found(detector):
    frame = np.full((1080, 1920, 3), 90, np.uint8)
    frame[500:628, 1200:1328] = cv2.resize(astronaut(), (128, 128), interpolation=cv2.INTER_AREA)
    found = detector.detect(frame)
    assert len(found) == 1
    assert np.abs(found.landmarks[0, :2] - (EYES_AT / 4 + (1200, 500))).max() < 4


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_photo_lying_on_its_side_is_turned_upright(detector, quarter, tmp_path):
    from PIL import Image

    path = tmp_path / "side.png"
    Image.fromarray(np.rot90(astronaut(), quarter)).save(path)
    (face,) = faces_in_picture(path, detector)
    assert np.array_equal(face.photo, astronaut())
    assert np.abs(face.landmarks[:2] - EYES_AT).max() < 3
    assert face.crop().shape == (224, 224, 3)


def test_a_picture_without_a_face_gives_none(detector):
    ground = np.dstack([np.tile(np.linspace(0, 255, 400), (300, 1))] * 3).astype(np.uint8)
    assert len(detector.detect(ground)) == 0


def test_a_missing_file_is_named(tmp_path):
    class Spec:
        name, path = "centerface", tmp_path / "gone.onnx"

    with pytest.raises(ModelNotFound, match=r"gone\.onnx"):
        load_detector(Spec(), "cpu")
