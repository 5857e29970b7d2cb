"""A hub on the loopback interface, and a place for a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diffscaler.models.place import Place
from diffscaler.settings import Settings
from tests.models.fakehub import FakeHub, running, tiny_repo


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one small model."""
    monkeypatch.setenv("NO_PROXY", "*")
    with running() as hub:
        tiny_repo(hub)
        yield hub


@pytest.fixture
def place(settings: Settings) -> Place:
    settings.models_dir.mkdir(parents=True)
    return Place(settings.models_dir, "tiny")
