"""What is said about a photo of a performer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from diffscaler.errors import MediaError
from diffscaler.faceswap.photo_stage import InspectPhoto, InspectPhotoParams
from diffscaler.faceswap.remarks import PhotoFacts, read_facts, remarks_on
from tests.faceswap.moving import DETECTOR, Surroundings, astronaut


@pytest.fixture
def look(detector: Any, tmp_path: Path) -> Any:
    def inspect(picture: Any, name: str = "photo.png", **options: Any) -> PhotoFacts:
        path = tmp_path / name
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(path, **options)
        stage = InspectPhoto(InspectPhotoParams(photo="sha"), (DETECTOR,))
        (chunk,) = stage.run((), Surroundings({"centerface": detector}, path).context())
        return read_facts(chunk.tensors)

    return inspect


def test_a_good_portrait_has_no_remarks(look: Any) -> None:
    facts = look(astronaut())
    assert remarks_on(facts) == ("good", [])
    assert facts.count == 1 and 38 < facts.eyes_px < 47 and abs(facts.yaw) < 10 and abs(facts.pitch) < 12
    assert facts.face.shape == (112, 112, 3) and facts.face.std() > 20


@pytest.mark.parametrize(
    ("change", "grade", "words"),
    [
        (lambda a: cv2.resize(a, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), "bad", "too small"),
        (lambda a: cv2.resize(a, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), "weak", "is small"),
        (lambda a: cv2.GaussianBlur(a, (0, 0), 4), "weak", "blurred"),
        (lambda a: np.full_like(a, 128), "bad", "No face"),
        (lambda a: np.concatenate([a, a], axis=1), "weak", "2 faces"),
    ],
)
def test_each_fault_is_named(look: Any, change: Any, grade: str, words: str) -> None:
    said = remarks_on(look(change(astronaut())))
    assert said[0] == grade and words in " ".join(said[1])


def test_a_turned_face_is_said_to_be_turned() -> None:
    face = np.zeros((112, 112, 3), np.uint8)
    assert "turned away by about 45 degrees" in remarks_on(PhotoFacts(1, face, 80, 0.2, -45, 0))[1][0]
    assert "looks down" in remarks_on(PhotoFacts(1, face, 80, 0.2, 0, 30))[1][0]


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "CMYK"), ("a.webp", "RGB"), ("a.png", "L"), ("a.tif", "RGBA")])
def test_formats_people_have_are_read(look: Any, name: str, mode: str) -> None:
    facts = look(Image.fromarray(astronaut()).convert(mode), name)
    assert facts.count == 1 and 38 < facts.eyes_px < 47


def test_a_photo_on_its_side_is_turned_by_its_tag(look: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = look(Image.fromarray(np.ascontiguousarray(np.rot90(astronaut(), 1))), "side.jpg", exif=exif)
    assert facts.count == 1 and 38 < facts.eyes_px < 47


def test_an_enormous_photo_is_looked_at_all_the_same(look: Any) -> None:
    facts = look(cv2.resize(astronaut(), (8000, 8000), interpolation=cv2.INTER_LINEAR), "large.jpg")
    assert facts.count == 1 and facts.eyes_px > 250


def test_what_is_no_picture_is_refused(detector: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no picture at all")
    stage = InspectPhoto(InspectPhotoParams(photo="sha"), (DETECTOR,))
    with pytest.raises(MediaError):
        list(stage.run((), Surroundings({"centerface": detector}, path).context()))
