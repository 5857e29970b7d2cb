"""Where a model lies and where it arrives, with one writer at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from filelock import FileLock, Timeout

from diffscaler.errors import JobCancelled

INCOMING = ".incoming"
WAIT_S = 0.2

Doing = Literal["wait", "list", "check", "fetch"]


class Watch(Protocol):
    """Whoever waits for a model."""

    def stopped(self) -> bool:
        """Whether to stop; asked several times a second."""
        ...

    def moment(self, doing: Doing, file: str, done_bytes: int, total_bytes: int) -> None:
        """What happens now. done_bytes counts what an earlier try had fetched too; it falls when some is dropped."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a model lies once it is whole, and where it arrives."""

    models_dir: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.models_dir / self.name

    @property
    def incoming(self) -> Path:
        return self.models_dir / INCOMING / f"{self.name}.part"

    @property
    def incoming_bytes(self) -> int:
        """How much of it has arrived, when it is not whole yet."""
        return size_of(self.incoming)

    @contextmanager
    def alone(self, watch: Watch) -> Generator[None, None, None]:
        """Nobody else writes this model inside the block. Raises JobCancelled when stopped while waiting for that."""
        self.incoming.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.incoming.parent / f"{self.name}.lock")
        while True:
            try:
                lock.acquire(timeout=WAIT_S)
                break
            except Timeout:
                watch.moment("wait", "", 0, 0)
                if watch.stopped():
                    raise JobCancelled from None
        try:
            yield
        finally:
            lock.release()


def size_of(path: Path) -> int:
    """Bytes in a file, or in a folder with all that is below it; 0 when there is none."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
