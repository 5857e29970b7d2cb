import pytest
from PIL import Image

from diffscaler.faceswap.detect import load_detector
from tests.faceswap.masking import load_networks, with_hand
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


# For what is masked: somebody with a hand before the face (masking.py). Files about other clips have their own.
@pytest.fixture(scope="module")
def clip(two_people, detector):
    return with_hand(two_people, detector)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return load_networks(tmp_path_factory.mktemp("masks"))


@pytest.fixture
def around(around_stage, networks):
    around_stage.models |= networks
    return around_stage


@pytest.fixture
def found(around_stage, clip):
    return around_stage.detect(clip[1])
