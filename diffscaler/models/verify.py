"""Checksums: of what arrives, as it arrives, and of what lies on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffscaler.errors import JobCancelled
from diffscaler.models.paths import safe_path
from diffscaler.models.source import Record, RemoteFile

BLOCK_BYTES = 2**20

#: count(bytes): told how many bytes were read since the last call.
Count = Callable[[int], None]


@dataclass(frozen=True)
class Damage:
    """A file that is not what it was when it was downloaded. reason: "is missing", ..."""

    file: RemoteFile
    reason: str

    def __str__(self) -> str:
        return f"{self.file.path} {self.reason}"


class Digests:
    """What a file's content is known by, fed piece by piece."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self._sha256 = hashlib.sha256()
        self._sha1 = None
        if file.git_sha1:  # git hashes a header before the content: gitformat-pack
            self._sha1 = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._sha1 is not None:
            self._sha1.update(data)

    def add_file(self, path: Path, stopped: Callable[[], bool], count: Count = lambda size: None) -> None:
        """Feed what a file holds. Raises JobCancelled on Stop."""
        with path.open("rb") as file:
            while data := file.read(BLOCK_BYTES):
                if stopped():
                    raise JobCancelled
                self.update(data)
                count(len(data))

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def fit(self) -> bool:
        """Whether what was fed is the file; True when nothing is known of it."""
        if self.file.sha256 and self.sha256 != self.file.sha256:
            return False
        return self._sha1 is None or self._sha1.hexdigest() == self.file.git_sha1


def damages(
    folder: Path, record: Record, stopped: Callable[[], bool], count: Count = lambda size: None
) -> list[Damage]:
    """The files of a model that are missing or changed. count: told of every byte the record lists, read or not.

    Raises JobCancelled on Stop.
    """
    found: list[Damage] = []
    for file in record.files:
        path = folder / safe_path(file.path)
        size = path.stat().st_size if path.is_file() else None
        if size != file.size_bytes:
            reason = "is missing" if size is None else f"has {size} bytes instead of {file.size_bytes}"
            found.append(Damage(file, reason))
            count(file.size_bytes)
            continue
        digests = Digests(file)
        digests.add_file(path, stopped, count)
        if not digests.fit():
            found.append(Damage(file, "has changed since it was downloaded"))
    return found
