"""Every test gets folders of its own; nothing touches the user's library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from diffscaler.engine import Engine
from diffscaler.library.clips import ClipLibrary
from diffscaler.privacy import tell_nobody
from diffscaler.settings import Settings
from tests import fakes
from tests.models.fakehub import FakeHub, running, tiny_repo

tell_nobody()
#: An example takes as long as the machine is busy; the suite runs several files at once.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the browser's files over the run: they take long, and two browsers at once slow each other down."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    browsers = sorted((path for path in files if path.parent.name == "browser"), key=lambda path: -len(files[path]))
    order = [path for path in files if path not in browsers]
    apart = len(order) // (len(browsers) + 1)
    for number, path in enumerate(browsers):
        order.insert(number * (apart + 1), path)
    items[:] = [item for path in order for item in files[path]]


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFSCALER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DIFFSCALER_WORKER_IDLE_S", "1")


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
