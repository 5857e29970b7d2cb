import pytest
from PIL import Image

from diffscaler.faceswap.detect import load_detector
from tests.faceswap.moving import Surroundings, astronaut, scene


@pytest.fixture(scope="session")
def detector():
    return load_detector()


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "performer.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture
def around_stage(detector, photo):
    return Surroundings({"centerface": detector}, photo)


@pytest.fixture(scope="session")
def two_people():
    return scene()
