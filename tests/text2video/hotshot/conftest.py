"""One tiny Hotshot-XL for all tests here; who changes a network takes `unet`, a copy."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from diffscaler import compat

compat.install()  # before the first import of diffusers


from diffscaler.text2video.hotshot.unet import (  # noqa: E402
    load_hotshot,
)
from tests.text2video import tiny_hotshot as tiny  # noqa: E402
from tests.text2video.hotshot.common import Unet  # noqa: E402


@pytest.fixture(scope="session")
def hotshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_hotshot(tmp_path_factory.mktemp("hotshot"))


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="session")
def loaded(hotshot: Path) -> Unet:
    return load_hotshot(hotshot / "unet")


@pytest.fixture
def unet(loaded: Unet) -> Unet:
    """A network of the test's own: tests may change it."""
    return copy.deepcopy(loaded)
