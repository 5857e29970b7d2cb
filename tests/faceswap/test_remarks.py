"""What is said about a photo of a performer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageDraw

from diffscaler.errors import MediaError, NoFaceFound
from diffscaler.faceswap.appearance import SkinTone
from diffscaler.faceswap.builtin import draw_face, prepare_reference
from diffscaler.faceswap.head import fit_pose
from diffscaler.faceswap.photo import main_face
from diffscaler.faceswap.photo_stage import InspectPhoto, InspectPhotoParams
from diffscaler.faceswap.remarks import PhotoFacts, read_facts, remarks_on
from tests.faceswap.moving import DETECTOR, Surroundings, astronaut


@pytest.fixture
def look(detector: Any, tmp_path: Path) -> Any:
    def inspect(picture: Any, name: str = "photo.png", **options: Any) -> PhotoFacts:
        path = tmp_path / name
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        pillow_heif.register_heif_opener()
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


def cat() -> Any:
    from skimage import data

    return data.chelsea()


def cartoon() -> Any:
    """A smiling disc."""
    image = Image.new("RGB", (400, 400), (120, 180, 240))
    pen = ImageDraw.Draw(image)
    pen.ellipse((80, 60, 320, 340), fill=(255, 220, 60), outline=(0, 0, 0), width=6)
    for x in (150, 250):
        pen.ellipse((x - 16, 150, x + 16, 200), fill=(0, 0, 0))
    pen.arc((130, 180, 270, 290), 20, 160, fill=(0, 0, 0), width=8)
    return np.asarray(image)


def crowd() -> Any:
    """Six people, one of them nearer."""
    face = astronaut()[:256, 110:350]
    rows = np.concatenate([np.concatenate([face, face[:, ::-1], face], axis=1)] * 2)
    large = cv2.resize(face, (480, 512), interpolation=cv2.INTER_AREA)
    return np.concatenate([rows, np.concatenate([large, np.full((512, 240, 3), 90, np.uint8)], axis=1)])


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (cat, "No face was found. Use a photo in which the whole face is lit and looks at the camera."),
        (cartoon, "No face was found. Use a photo in which the whole face is lit and looks at the camera."),
        (crowd, "7 faces are in it; the largest is used."),
        (
            lambda: cv2.resize(astronaut()[10:220, 120:330], (50, 50), interpolation=cv2.INTER_AREA),
            "The face is too small:",
        ),
    ],
)
def test_pictures_people_try_get_their_sentence(look: Any, picture: Any, sentence: str) -> None:
    facts = look(picture())
    _, said = remarks_on(facts)
    assert any(text.startswith(sentence) for text in said), said
    if picture is crowd:
        assert facts.eyes_px > 70


def test_a_swap_with_a_photo_of_a_pet_says_what_is_wrong(detector: Any, tmp_path: Path) -> None:
    path = tmp_path / "3f.png"
    Image.fromarray(cat()).save(path)
    with pytest.raises(NoFaceFound, match=r"No face was found in the photo tom\.png") as refused:
        main_face(path, detector, "tom.png")
    assert refused.value.hint


def test_a_telephones_picture_on_its_side_is_turned_once(look: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    side = Image.fromarray(np.ascontiguousarray(np.rot90(astronaut()[:, :400], 1)))
    facts = look(side, "IMG_0001.HEIC", exif=exif)
    assert facts.count == 1 and 38 < facts.eyes_px < 47
    assert np.abs(facts.face.astype(int) - look(astronaut()[:, :400]).face).mean() < 6


def test_a_large_photo_is_kept_as_the_faces_neighbourhood(detector: Any, tmp_path: Path) -> None:
    """And what is drawn from it is the same, to rounding."""
    canvas = np.full((3072, 4096, 3), 80, np.uint8)
    canvas[1000:1768, 2300:3068] = cv2.resize(astronaut(), (768, 768), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(canvas).save(tmp_path / "large.png", compress_level=1)
    face = main_face(tmp_path / "large.png", detector)
    near = face.near()
    assert near.photo.nbytes < canvas.nbytes / 12 and np.array_equal(near.crop(224), face.crop(224))
    target = detector.detect(astronaut()).landmarks[0]
    pose, grey = fit_pose(target), np.full((512, 512, 3), 120, np.uint8)
    tone, allowed = SkinTone(np.array([150, 140, 140], np.float32), 20.0, 20.0), np.ones((32, 32), np.float32)
    drawn = [draw_face(grey, pose, tone, allowed, prepare_reference(f.photo, f.landmarks)) for f in (face, near)]
    assert np.abs(drawn[0].astype(int) - grey).max() > 20 and np.abs(drawn[0].astype(int) - drawn[1]).max() <= 1


def test_a_turned_face_is_said_to_be_turned() -> None:
    face = np.zeros((112, 112, 3), np.uint8)
    assert "turned away by about 45 degrees" in remarks_on(PhotoFacts(1, face, 80, 0.2, -45, 0))[1][0]
    assert "looks down" in remarks_on(PhotoFacts(1, face, 80, 0.2, 0, 30))[1][0]


@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "CMYK"), ("a.webp", "RGB"), ("a.png", "L"), ("a.tif", "RGBA"), ("a.heic", "RGB")]
)
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
