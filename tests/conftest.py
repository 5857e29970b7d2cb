"""Every test gets folders of its own; nothing touches the user's library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diffscaler.engine import Engine
from diffscaler.library.clips import ClipLibrary
from diffscaler.settings import Settings
from tests import fakes
from tests.models.fakehub import FakeHub, running, tiny_repo


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "1")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", worker_idle_s=1)


@pytest.fixture
def library(settings: Settings) -> ClipLibrary:
    return ClipLibrary(settings.library_dir)


@pytest.fixture
def engine(library: ClipLibrary, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that can run the fakes."""
    fakes.install(monkeypatch)
    fakes.FakeClip.made.clear()
    fakes.FakeBlur.seen.clear()
    return Engine(library, fakes.FakeLender())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A model hub on the loopback interface with one small model."""
    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running() as hub:
        tiny_repo(hub)
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub
