"""One tiny network with words and one without, for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffscaler.text2video.unet3d.family import Unet3DFamily
from tests.text2video.tiny_unet3d import (
    WORDS,
    save_tiny_unet3d,
)
from tests.text2video.unet3d.common import load


@pytest.fixture(scope="session")
def wordless_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_unet3d(tmp_path_factory.mktemp("unet3d") / "wordless")


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_unet3d(tmp_path_factory.mktemp("unet3d") / "words", WORDS)


@pytest.fixture(scope="session")
def wordless(wordless_folder: Path) -> Unet3DFamily:
    return load(wordless_folder)


@pytest.fixture(scope="session")
def words(words_folder: Path) -> Unet3DFamily:
    return load(words_folder)
