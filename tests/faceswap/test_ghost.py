"""GHOST's path, with tiny random networks of the signatures `ghost.py` writes down."""

import numpy as np
import pytest

from diffscaler.errors import ModelNotFound
from diffscaler.faceswap.ghost import load_converter, load_ghost
from diffscaler.faceswap.inswapper import load_recognizer
from diffscaler.models.catalogue import Catalogue
from diffscaler.settings import Settings
from diffscaler.stage import ModelRef
from tests.faceswap import tiny_onnx
from tests.faceswap.moving import DETECTOR, frames_of, still
from tests.faceswap.tiny_onnx import Spec

MODELS = (DETECTOR, *(ModelRef(name=name, revision="1") for name in ("ghost", "arcface", "crossface-ghost")))


@pytest.fixture
def ghost_file(tmp_path):
    tiny_onnx.converter(tmp_path / "crossface_ghost.onnx")
    return tiny_onnx.swapper(tmp_path / "ghost_1_256.onnx", 256, emap=False)


def test_pictures_are_minus_one_to_one_and_identities_are_taken_as_they_are_converted(ghost_file):
    network = load_ghost(Spec(ghost_file))
    assert network.size == 256 and network.signed
    identity = load_converter(Spec(ghost_file.with_name("crossface_ghost.onnx")))(np.full(512, 4, np.float32))
    assert np.array_equal(network.latent([identity[0]]), identity)
    crops = np.full((1, 256, 256, 3), (0, 100, 255), np.uint8)
    drawn = network.draw(crops, np.zeros((1, 512), np.float32))[0, 128, 128]
    # The file gives 1 - x: 2, 1 - (100 * 2 / 255 - 1), 0 where pictures are -1..1; the middle of 0..1 is 127.5.
    assert np.abs(drawn.astype(int) - [255, 255, 128]).max() <= 1


@pytest.mark.parametrize("boost", [128, 512])
def test_a_clip_is_swapped_with_it(around_stage, ghost_file, tmp_path, two_people, boost):
    (tmp_path / "elsewhere").mkdir()  # files may be linked from anywhere
    converter = ghost_file.with_name("crossface_ghost.onnx").rename(tmp_path / "elsewhere/crossface_ghost.onnx")
    around_stage.models |= {
        "ghost": load_ghost(Spec(ghost_file), batch=3),
        "arcface": load_recognizer(Spec(tiny_onnx.arcface(tmp_path / "w600k_r50.onnx"))),
        "crossface-ghost": lambda: load_converter(Spec(converter)),
    }
    frames = still(two_people, 3)
    found = around_stage.detect(frames)
    how = {"models": MODELS, "engine": "ghost", "boost": boost}
    made = frames_of(around_stage.swap(frames, found, **how))
    assert np.array_equal(made, frames_of(around_stage.swap(frames, found, 1, **how)))
    assert np.abs(made.astype(int) - frames)[:, 40:100, 110:160].mean() > 10
    assert any("Apache-2.0" in note and "non-commercial" in note for note in around_stage.notes)


def test_files_in_the_models_folder_are_found_with_or_without_their_converter(tmp_path):
    settings = Settings(data_dir=tmp_path)
    settings.models_dir.mkdir(parents=True)
    for name in ("ghost_1_256.onnx", "ghost_3_256.onnx"):
        tiny_onnx.swapper(settings.models_dir / name, 256, emap=False)
    specs = Catalogue(settings).specs("face_swapper")
    assert [spec.name for spec in specs] == ["ghost", "ghost_3_256"]
    tiny_onnx.converter(settings.models_dir / "crossface_ghost.onnx")
    assert Catalogue(settings).specs("face_swapper") == specs
    assert all(spec.commercial and spec.licence.startswith("Apache-2.0") for spec in specs)
    assert specs[1].load("cpu").size == 256


@pytest.mark.parametrize("name", ["ghost_2_256.onnx", "ghost_3_256.onnx"])
def test_any_of_the_three_files_is_the_engine(tmp_path, name):
    settings = Settings(data_dir=tmp_path)
    settings.models_dir.mkdir(parents=True)
    tiny_onnx.swapper(settings.models_dir / name, 256, emap=False)
    tiny_onnx.converter(settings.models_dir / "crossface_ghost.onnx")
    (spec,) = Catalogue(settings).specs("face_swapper")
    assert spec.name == "ghost" and spec.path == settings.models_dir / name


def test_what_is_missing_or_wrong_is_named(tmp_path):
    with pytest.raises(ModelNotFound, match=r"crossface_ghost\.onnx"):
        load_converter(Spec(tmp_path / "crossface_ghost.onnx"))
    with pytest.raises(ModelNotFound, match="does not convert"):
        load_converter(Spec(tiny_onnx.arcface(tmp_path / "crossface_ghost.onnx")))
    with pytest.raises(ModelNotFound):
        load_ghost(Spec(tiny_onnx.converter(tmp_path / "ghost_2_256.onnx")))
    with pytest.raises(ModelNotFound, match="missing"):
        load_ghost(Spec(None))
